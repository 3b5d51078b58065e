import mindspore as ms

from rvrt.runtime.world import World, init_world


def test_a_single_process_is_a_world_of_its_own(monkeypatch):
    monkeypatch.delenv("MS_ROLE", raising=False)
    world = init_world()
    assert world == World(0, 1) and world.is_main and not World(1, 2).is_main
    tensors = (ms.Tensor([1.0]), ms.Tensor([[2.0]]))
    assert world.average(iter(tensors)) == tensors
    assert world.any(True) and not world.any(False)
    parameter = ms.Parameter(ms.Tensor([3.0]))
    world.broadcast([parameter])
    assert parameter.asnumpy() == [3.0]
