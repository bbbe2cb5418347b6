"""Files of other programs that are not read: what each is, and how its weights come into one that is."""

import re
from pathlib import Path

_TO_NPZ = "put the weights into an .npz by numpy.savez"
_BY_CONTENT = (
    (
        re.compile(rb"MATLAB 5\.0 MAT-file"),
        "a MATLAB file: in Python, numpy.savez('weights.npz', **{name: array for name, array in "
        "scipy.io.loadmat(FILE).items() if name[:2] != '__'})",
    ),
    (
        re.compile(rb"MATLAB 7\.3 MAT-file"),
        "a MATLAB file of version 7.3: save it with the option '-v7' and load it by scipy.io.loadmat, or read it with "
        f"h5py, whose arrays are transposed; {_TO_NPZ}",
    ),
)
_BY_NAME = (
    (
        re.compile(r".*\.onnx$"),
        "an ONNX model: export the module's state dict by torch.save instead; of a model alone, onnx.load(FILE)"
        ".graph.initializer and onnx.numpy_helper.to_array give arrays by name (ONNX's gates are z, r, h and i, o, f, "
        f"c, torch's r, z, n and i, f, g, o); {_TO_NPZ}",
    ),
    (
        re.compile(r".*\.msgpack$"),
        f"Flax's msgpack: flax.serialization.msgpack_restore gives a dict of arrays; {_TO_NPZ}",
    ),
    (
        re.compile(r".*(\.ckpt.*\.index|\.data-\d{5}-of-\d{5})$"),
        "a part of TensorFlow's checkpoint: tf.train.load_checkpoint(PREFIX) gives arrays by name, or save with Keras' "
        f"model.save_weights('epoch_N.weights.h5'); {_TO_NPZ}",
    ),
)


def foreign(path: Path, start: bytes) -> str | None:
    """What a file that no reader knows is, and what to do; None where that is not known either.

    The name tells only here, where nothing is read by it.

    Parameters
    ----------
    path : Path
    start : bytes
        With which it begins.

    Examples
    --------
    >>> foreign(Path("run/weights.mat"), b"MATLAB 5.0 MAT-file, Platform: GLNXA64")[:13]
    'a MATLAB file'
    >>> foreign(Path("run/weights.bin"), b"1234") is None
    True
    """
    by_content = (told for pattern, told in _BY_CONTENT if pattern.match(start))
    by_name = (told for pattern, told in _BY_NAME if pattern.match(path.name.lower()))
    return next(by_content, None) or next(by_name, None)
