"""`python -m rise_bench`: the `rise-bench` command of this interpreter, for launchers such as accelerate."""

from rise_bench.cli import main

if __name__ == "__main__":
    main()
