"""Process many images: a job as plain data, one work item per image, and a report.

    inputs.py          files, folders and patterns → work items
    result_names.py    names of the results of each item
    folder_job.py      the job: output, model, options; which items are already done
    prompt_job.py      the job that answers the prompts of a file; which prompts an image has
    finders.py         what is done with an image: find everything, or answer prompts
    worker.py          one process: loads the model once, segments item after item
    folder_run.py      one run: the remaining items, in order
    work_through.py    item after item, with progress, cancelling, and errors as outcomes
    report.py          the outcome of each item
    segment_folder.py  all of this in one call

A job and its items are plain data that can be pickled, and a worker needs nothing else, so items
can be sent to other processes.
"""
