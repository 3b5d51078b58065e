from rvrt.evaluation.protocol import CENTRE, PUBLISHED_VIMEO, published_for


def test_the_centre_frame_is_the_fourth():
    assert CENTRE == 3


def test_published_figures():
    assert PUBLISHED_VIMEO[0].psnr_y == 38.15 and PUBLISHED_VIMEO[1].ssim_y is None
    (vid4,) = published_for(["walk", "city", "calendar", "foliage"])
    assert (vid4.psnr_y, vid4.ssim_y, vid4.protocol) == (27.99, 0.8462, "all")
    (reds4,) = published_for(["000", "011", "015", "020"])
    assert (reds4.psnr_y, reds4.psnr_rgb) == (None, 32.75)
    assert published_for(["a"]) == ()
