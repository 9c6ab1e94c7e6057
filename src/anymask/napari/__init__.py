"""The napari plugin: a panel to segment, correct and export, over a session of `anymask.session`.

Nothing here decides anything about masks: pages show what the session says and pass on what the
user does. `controller.py` joins the two, `canvas.py` shows the layers, `clicks.py` turns clicks
into prompts, and `pages/` holds one page of the panel each.
"""
