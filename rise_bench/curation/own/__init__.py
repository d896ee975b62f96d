"""From own pictures to a model that annotates them with reasons: `rise-bench init` and `rise-bench run`."""
