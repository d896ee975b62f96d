"""The drawn benchmarks: `moods`, `scenes` and `kinds`, made by the project, with every cue known."""
