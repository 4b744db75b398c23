"""`python -m roadmap_log` is `roadmap`."""

from roadmap_log.cli import main

if __name__ == "__main__":
    main()
