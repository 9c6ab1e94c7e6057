"""A page that counts the objects of each class in the image that is shown."""

from collections import Counter

from qtpy.QtWidgets import QLabel

from anymask.napari.plugin_pages import PageWindow, PluginPage


def build(window: PageWindow) -> QLabel:
    """Make a text that follows the objects."""
    text = QLabel()

    def count() -> None:
        if window.session is None or window.layer is None:
            text.setText("No image yet")
            return
        objects = window.session.layers.objects(window.layer)
        classes = Counter(name or "no class" for name in objects.columns["class_name"])
        lines = [f"{name}: {number}" for name, number in sorted(classes.items())]
        text.setText("\n".join([f"{len(objects)} objects", *lines]))

    window.on_change(count)
    count()
    return text


PAGE = PluginPage(title="Count", build=build)
