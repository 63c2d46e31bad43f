"""Inputs of published numbers: files and folders that count only with the right sha256."""

import dataclasses
import gzip
import hashlib
import pathlib


@dataclasses.dataclass(frozen=True)
class File:
    """An input: the places where it may lie, and the sha256, or its first digits, it has to have.

    With `inner`, the hash is that of what the gzip file holds, because archives of equal
    contents differ.
    """

    name: str
    sha256: str
    places: tuple[str, ...] = ()
    inner: bool = False

    def find(self, folders: list[pathlib.Path]) -> pathlib.Path | None:
        """The first place with the right contents."""
        for folder in folders:
            for place in (*self.places, self.name):
                path = folder / place
                if path.is_file() and self._hash(path).startswith(self.sha256):
                    return path
        return None

    def _hash(self, path: pathlib.Path) -> str:
        with (gzip.open if self.inner else open)(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class Pictures:
    """An input: a folder of pictures, and the sha256 of its lines `hash  path` in order."""

    name: str
    sha256: str
    count: int

    def find(self, folders: list[pathlib.Path]) -> pathlib.Path | None:
        """The first folder with just these pictures."""
        for folder in folders:
            paths = sorted(folder.joinpath(self.name).glob("*.jpg"))
            lines = [f"{_sha256(path)}  {self.name}/{path.name}\n" for path in paths]
            if hashlib.sha256("".join(lines).encode()).hexdigest().startswith(self.sha256):
                return folder / self.name
        return None


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


MNIST = {
    "train": File(
        "mnist/train-images-idx3-ubyte.gz",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        inner=True,
    ),
    "test": File(
        "mnist/t10k-images-idx3-ubyte.gz",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        inner=True,
    ),
}
MNIST_LABELS = {
    "train_labels": File(
        "mnist/train-labels-idx1-ubyte.gz",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        inner=True,
    ),
    "test_labels": File(
        "mnist/t10k-labels-idx1-ubyte.gz",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        inner=True,
    ),
}
FASHION_MNIST = {
    "train": File(
        "fashion-mnist/train-images-idx3-ubyte.gz",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        inner=True,
    ),
    "test": File(
        "fashion-mnist/t10k-images-idx3-ubyte.gz",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        inner=True,
    ),
}
LENET5 = {
    "lenet5": File(
        "weights/lenet5_mnist_classifier.npz",
        "8f40eb661fbe2ffc97735aaaa97e967564d710386fc8cc6de54b4d61794d72fa",
    )
}
CELEBA = {
    "images": File(
        "img_align_celeba.zip",
        "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
        ("celeba/img_align_celeba.zip",),
    )
}
FACES = {
    "faces": File(
        "celeba/celeba_6000_128.zip",
        "6570f8dbb751c0c068206d758ea2f4aa2ad1e036307f43688b1f6c25cd9847a7",
    )
}
INCEPTION = {
    "inception": File(
        "pt_inception-2015-12-05-6726825d.pth",
        "6726825d",
        ("weights-inception-2015-12-05-6726825d.pth",),
    )
}
HORSES = {
    "horses": Pictures(
        "horse2zebra/testA",
        "464ce0ada6c32d589646c89e1bb9af29b3191bc3484ed414802359333339a5cc",
        120,
    ),
    "zebras": Pictures(
        "horse2zebra/testB",
        "865d9ac7d31a1965c5cd5cb0794a09a2044edd9056f5e96a696d91ce132af4f3",
        140,
    ),
}
CIFAR10 = {
    "cifar10": File(
        "cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ("cifar10/cifar-10-binary.tar.gz",),
    )
}
SVHN = {
    "train": File(
        "train_32x32.mat",
        "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        ("svhn/train_32x32.mat",),
    ),
    "test": File(
        "test_32x32.mat",
        "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        ("svhn/test_32x32.mat",),
    ),
}
