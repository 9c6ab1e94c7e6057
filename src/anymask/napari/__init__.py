"""The napari plugin: a panel to segment, correct and export, for a session of `anymask.session`.

The window makes no decisions about masks: pages show the session and pass on what the user does.
`controller.py` connects the two, `canvas.py` shows the layers, `clicking.py` turns clicks into
prompts, and `pages/` has one module for each page of the panel.
"""
