"""A session in the browser: `anymask serve`, its REST interface and its page.

Needs the extra ``web``. Nothing here is imported by other parts of the package.
"""
