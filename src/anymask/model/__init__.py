"""The network: image encoders, prompt encoder, mask decoder, and `Sam`, which combines them."""
