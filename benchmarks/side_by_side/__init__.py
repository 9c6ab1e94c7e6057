"""How fast anymask is here, beside Meta's package and `transformers` where they are installed."""
