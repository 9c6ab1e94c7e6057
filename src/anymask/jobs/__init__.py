"""Work on many images: one job as data, one work item an image, and a report at the end.

    inputs.py          files, folders and patterns → work items
    result_names.py    what the results of each are called
    folder_job.py      the job: output, model, options; which items are done already
    worker.py          one process: loads the model once, segments item after item
    folder_run.py      one run: what is left to do, in order, with progress and a report
    report.py          what became of each item
    segment_folder.py  all of this in one call

A job and its items are plain data and can be pickled, and a worker needs nothing else, so that
items can be handed to other processes.
"""
