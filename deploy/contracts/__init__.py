"""What others read of our contract, generated from the code that honours it: see ``python -m deploy.contracts``."""
