// Opened as a file, a page may load no modules, which only this classic script can tell.
if (location.protocol === "file:") document.documentElement.classList.add("as-file");
