"""`python -m rlformer`."""

from rlformer.cli import main

if __name__ == "__main__":
    main()
