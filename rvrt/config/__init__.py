"""What a network and a training are: frozen values, checked when built."""
