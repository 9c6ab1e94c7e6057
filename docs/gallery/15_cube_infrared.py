"""The same cube in infrared. Pseudo-RGBs are expressions over wavelengths; plants light up."""

import anymask

cube = anymask.read(anymask.sample("leaf_cube"))
infrared = anymask.pseudo_rgb(cube, "nm(860)", "nm(680)", "nm(550)")
generator = anymask.SamAutomaticMaskGenerator(anymask.load(), points_per_side=16)
masks = generator.generate_masks(infrared.rgb)
shown = anymask.overlay(infrared.rgb, masks)
