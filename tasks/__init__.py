"""lmms-eval tasks: YAML and the stateless functions that it names.

`distributions/` holds the tasks without boxes, `boxes_<unit>/` the tasks with boxes once for each unit that
a model may be told to use, `groups/` the group `rise`. `rise_bench.evaluation.lmms_plugin` shows lmms-eval
the folders
that fit the model; with `--include_path` one chooses them by hand.
"""
