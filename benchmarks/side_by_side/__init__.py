"""Speed of anymask here, compared with Meta's package and `transformers` if installed."""
