"""vimeo-prep --version."""

from vimeo_tools.resize import compiled


def test_the_command_says_which_is_used(vimeo_prep, monkeypatch):
    monkeypatch.setenv("VIMEO_TOOLS_BACKEND", "numpy")
    monkeypatch.setenv("VIMEO_TOOLS_CODEC", "pillow")
    found = vimeo_prep("--version").stdout
    assert "resize: numpy; pictures: decoded by Pillow " in found
    assert "encoded by Pillow " in found
    monkeypatch.setenv("VIMEO_TOOLS_CODEC", "gif")
    refused = vimeo_prep("--version")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "VIMEO_TOOLS_CODEC=gif: allowed are isal, zlib, pillow" in refused.stderr
    monkeypatch.delenv("VIMEO_TOOLS_CODEC")
    monkeypatch.setenv("VIMEO_TOOLS_BACKEND", "fortran")
    refused = vimeo_prep("--version")
    assert refused.returncode == 1
    assert "fortran" in refused.stderr
    if compiled.AVAILABLE:
        monkeypatch.setenv("VIMEO_TOOLS_BACKEND", "compiled")
        assert "resize: compiled (" in vimeo_prep("--version").stdout
