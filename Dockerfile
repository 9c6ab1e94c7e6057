# The command line on a processor, without a window:
#
#   docker build -t anymask --build-arg PIP_EXTRA_INDEX_URL=... .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" anymask everything photos -o masks
#
# The server of the folder photos, in which it keeps its session. Nothing else is written, so the
# container's own files can be read-only:
#
#   docker build -t anymask-serve --target serve --build-arg PIP_EXTRA_INDEX_URL=... .
#   docker run --rm --read-only --tmpfs /tmp --user "$(id -u):$(id -g)" -p 127.0.0.1:8321:8321 \
#       -e ANYMASK_TOKEN="$(openssl rand -hex 16)" -v "$PWD/photos:/data" anymask-serve
#
# It prints the address to open. The token can also be in a file, which ANYMASK_TOKEN_FILE names. For
# other options write the whole command: anymask-serve serve /data --host 0.0.0.0 --port 8321 ...
#
# PIP_EXTRA_INDEX_URL is the index of PyTorch's CPU builds (see "Get started" on pytorch.org). Without
# it pip would install the CUDA build, several gigabytes that a container without a GPU cannot use.
# Downloaded models are kept in /models: add `-v anymask-models:/models` to keep them between runs.

FROM python:3.13-slim-bookworm AS build
ARG PIP_EXTRA_INDEX_URL
RUN test -n "$PIP_EXTRA_INDEX_URL" || { \
        echo "Set the build argument PIP_EXTRA_INDEX_URL to the index of PyTorch's CPU builds." >&2; \
        exit 1; }
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE MANIFEST.in CHANGELOG.md CITATION.cff ./
COPY src src
RUN python -m venv /opt/anymask \
    && /opt/anymask/bin/pip install --no-cache-dir -c constraints.txt torch \
    && /opt/anymask/bin/python -c "import torch; assert torch.version.cuda is None, 'CUDA build'" \
    && /opt/anymask/bin/pip install --no-cache-dir -c constraints.txt ".[formats,raw,web]"

FROM python:3.13-slim-bookworm AS command
COPY --from=build /opt/anymask /opt/anymask
# /models is open to every user, so that `--user` can be any.
RUN useradd --create-home --uid 1000 anymask && mkdir -m 1777 /models
ENV PATH=/opt/anymask/bin:$PATH ANYMASK_HOME=/models PYTHONDONTWRITEBYTECODE=1
USER 1000
WORKDIR /data
ENTRYPOINT ["anymask"]
CMD ["--help"]

FROM command AS serve
EXPOSE 8321
# Only the ports that `docker run -p` opens reach it from outside.
CMD ["serve", "/data", "--host", "0.0.0.0", "--port", "8321"]
# The page's icon is served to anyone, so the check needs no token.
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s CMD ["python", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8321/page/icon.svg', timeout=4)"]

# The last stage is what `docker build` makes when it is not told otherwise.
FROM command
