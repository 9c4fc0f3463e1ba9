"""One module a row; ``bench/registry.py`` lists them."""
