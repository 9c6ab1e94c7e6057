"""Process many images: a job as plain data, one work item per image, and a report.

    inputs.py          files, folders and patterns → work items
    result_names.py    names of the results of each item
    work_through.py    item after item, with progress, cancelling, and errors as outcomes
    report.py          the outcome of each item

Segmenting everything in them:

    folder_job.py      the job: output, model, options; which items are already done
    prompt_job.py      the job that answers the prompts of a file; which prompts an image has
    finders.py         what is done with an image: find everything, or answer prompts
    worker.py          one process: loads the model once, segments item after item
    folder_run.py      one run: the remaining items, in order
    segment_folder.py  all of this in one call

Measuring their objects into one table:

    matching.py        images and the files with their masks
    measure_job.py     the job: what is measured; the rows of one item
    table_journal.py   rows of finished items, until the table is complete
    table_columns.py   one table from them: its columns, all sizes in one unit
    measure_run.py     one run: the remaining items, then the table
    measure_folder.py  all of this in one call

A job and its items are plain data that can be pickled, and a worker needs nothing else, so items
can be sent to other processes.
"""
