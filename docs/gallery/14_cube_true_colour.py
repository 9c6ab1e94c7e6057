"""A spectral cube in true colour. 181 bands from 400 to 1300 nm, everything found."""

import anymask

cube = anymask.read(anymask.sample("leaf_cube"))
eye = anymask.pseudo_rgb(cube, "truecolor")
generator = anymask.SamAutomaticMaskGenerator(anymask.load(), points_per_side=16)
masks = generator.generate_masks(eye.rgb)
shown = anymask.overlay(eye.rgb, masks)
