"""Functions for CVAT's SDK, which run the model on this machine and write into a CVAT server.

`anymask.cvat.everything` annotates whole tasks, `anymask.cvat.clicks` answers the clicks of CVAT's
own page. Both need `cvat-sdk`; nothing else in the package knows them.
"""
