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
    work_through.py    item after item, with progress, cancelling, and errors as outcomes
    executors.py       where items are done: in this process, in several, or on Dask
    processes.py       several processes of this machine; process_worker.py is one of them
    on_dask.py         the workers of a Dask cluster
    handing_out.py     which worker has which item, and what follows when one dies
    job_journal.py     OUT/job.jsonl: what is done, what failed and why
    one_run.py         only one run at a time writes into a place
    report.py          the outcome of each item
    segment_folder.py  all of this in one call

Measuring their objects into one table:

    matching.py        images and the files with their masks
    measure_job.py     the job: what is measured; the rows of one item
    table_journal.py   rows of finished items, until the table is complete
    table_columns.py   one table from them: its columns, all sizes in one unit
    measure_run.py     one run: the remaining items, then the table
    measure_folder.py  all of this in one call

A job and its items are plain data that can be pickled, and a worker needs nothing else, so items
are sent to other processes and machines.
"""
