"""lmms-eval tasks: YAML files and their functions.

`distributions/` holds the tasks without boxes, `boxes_<unit>/` the tasks with boxes once for each unit that
a model may be told to use, `groups/` the group `rise`. `rise_bench.evaluation.lmms_plugin` gives
lmms-eval the folders that fit the model; `--include_path` selects them by hand.
"""
