"""The rival: the same training steps in PyTorch, in a process that takes turns with ganzoo's.

    python tools/benchmark_torch.py '{"family": "dcgan", …}'

`tools/benchmark.py` starts it and speaks to it; see `benchmark_turns.py`. A step is written in
two ways. "official": as the authors' code, or the PyTorch code that people use, writes it.
"merged": with ganzoo's call structure, each network called once wherever no layer mixes images,
and no gradient taken that no update needs.
"""

import contextlib
import copy
import json
import random
import sys
import time

START = time.perf_counter()

import torch  # noqa: E402
from benchmark_torch_networks import build  # noqa: E402
from benchmark_turns import CLOCKS, claim_output, peak_memory, serve  # noqa: E402
from torch.nn import functional  # noqa: E402


class Rival:
    """One family's training in PyTorch.

    Args:
        row: What `benchmark.py` sends: `family`, `model` (as in a preset), `training`,
            `batch_size`, `image_shape` (h, w, c), `precision`, `structure`, `layout`.
    """

    def __init__(self, row):
        self.row = row
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.merged = row["structure"] == "merged"
        self.format = (
            torch.channels_last if row["layout"] == "channels_last" else torch.contiguous_format
        )
        model = dict(row["model"])
        if row["family"] == "progan":
            model["fused"] = self.merged
        self.networks = build(row["family"], model)
        for network in self.networks.values():
            network.to(self.device, memory_format=self.format)
        self.step_of_family = {
            "gan": GanStep, "dcgan": DcganStep, "progan": ProganStep, "cyclegan": CycleganStep,
        }[row["family"]](self)  # fmt: skip
        height, width, channels = row["image_shape"]
        shape = (row["batch_size"], channels, height, width)
        self.batch = [self.laid_out(torch.rand(shape) * 2 - 1) for _ in range(2)]

    def laid_out(self, images):
        return images.to(self.device).contiguous(memory_format=self.format)

    def cast(self):
        """Computes what follows in the row's precision."""
        if self.row["precision"] == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device, dtype=getattr(torch, self.row["precision"]))

    def latents(self, count=None):
        shape = (count or self.row["batch_size"], self.row["model"]["latent_dim"])
        return torch.randn(shape, device=self.device)

    def adam(self, *names, lr=2e-4, betas=(0.5, 0.999)):
        weights = [weight for name in names for weight in self.networks[name].parameters()]
        return torch.optim.Adam(weights, lr=lr, betas=betas)

    def step(self):
        self.step_of_family(*self.batch)  # reads its losses, and so waits for the device

    def memory(self):
        on_gpu = self.device == "cuda"
        return torch.cuda.max_memory_allocated() if on_gpu else peak_memory()

    def generate(self, count):
        """Makes pixels as ganzoo's generate and translate do: float in, uint8 out."""
        network = self.networks.get("generator") or self.networks["generator_ab"]
        network.eval()
        with torch.inference_mode(), self.cast():
            if self.row["family"] == "cyclegan":
                inputs = self.batch[0][:1].expand(count, -1, -1, -1)
                inputs = inputs.contiguous(memory_format=self.format)
            else:
                inputs = self.latents(count)
            images = network(inputs).float()
            ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()
        network.train()


class GanStep:
    """Goodfellow et al. 2014, the authors' code: both gradients from one batch, then two steps."""

    def __init__(self, rival):
        self.rival = rival
        self.generator, self.discriminator = rival.networks.values()
        self.weights = [list(network.parameters()) for network in rival.networks.values()]
        self.optimizers = [torch.optim.SGD(all, lr=0.1, momentum=0.5) for all in self.weights]

    def __call__(self, real, _):
        with self.rival.cast():
            fake = self.generator(self.rival.latents())
            real = real.add(1).mul(0.5)  # the range that the authors' networks work in
            if self.rival.merged:
                real_logits, fake_logits = self.discriminator(torch.cat([real, fake])).chunk(2)
            else:
                real_logits, fake_logits = self.discriminator(real), self.discriminator(fake)
            judge_loss = 0.5 * (
                functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean()
            )
            loss = functional.softplus(-fake_logits).mean()
        slopes = [
            torch.autograd.grad(loss, self.weights[0], retain_graph=True),
            torch.autograd.grad(judge_loss, self.weights[1]),
        ]
        for optimizer, weights, slope in zip(self.optimizers, self.weights, slopes, strict=True):
            for weight, gradient in zip(weights, slope, strict=True):
                weight.grad = gradient
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = max(group["lr"] / 1.000004, 1e-6)
        return judge_loss.item(), loss.item()


class DcganStep:
    """Radford et al. 2016, as PyTorch's own example writes it: D on real, D on fake, then G."""

    def __init__(self, rival):
        self.rival = rival
        self.generator, self.discriminator = rival.networks.values()
        self.generator_adam = rival.adam("generator")
        self.discriminator_adam = rival.adam("discriminator")

    def __call__(self, real, _):
        ones = torch.ones(len(real), 1, device=real.device)
        entropy = functional.binary_cross_entropy_with_logits
        self.discriminator.requires_grad_(True)
        self.discriminator.zero_grad()
        with self.rival.cast():
            real_loss = entropy(self.discriminator(real).float(), ones)
        if not self.rival.merged:
            real_loss.backward()
        with self.rival.cast():
            fake = self.generator(self.rival.latents())
            fake_loss = entropy(self.discriminator(fake.detach()).float(), 0 * ones)
        (real_loss + fake_loss if self.rival.merged else fake_loss).backward()
        self.discriminator_adam.step()
        self.generator.zero_grad()
        if self.rival.merged:
            self.discriminator.requires_grad_(False)
        with self.rival.cast():
            loss = entropy(self.discriminator(fake).float(), ones)
        loss.backward()
        self.generator_adam.step()
        return (real_loss + fake_loss).item(), loss.item()


class ProganStep:
    """Karras et al. 2018: WGAN-GP with a drift term; D and then G, each on latents of its own."""

    def __init__(self, rival):
        self.rival = rival
        self.generator, self.discriminator = rival.networks.values()
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        moments = {"lr": 1e-3, "betas": (0.0, 0.99)}
        self.generator_adam = rival.adam("generator", **moments)
        self.discriminator_adam = rival.adam("discriminator", **moments)

    def __call__(self, real, _):
        self.discriminator.requires_grad_(True)
        self.discriminator_adam.zero_grad()
        with self.rival.cast():
            with torch.no_grad():
                fake = self.generator(self.rival.latents())
            real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
            mixing = torch.rand(len(real), 1, 1, 1, device=real.device)
            mixed = (real + mixing * (fake - real)).detach().requires_grad_(True)
            scores = self.discriminator(mixed).sum()
        (slope,) = torch.autograd.grad(scores, mixed, create_graph=True)
        norm = slope.float().square().sum((1, 2, 3)).sqrt()
        judge_loss = (
            fake_scores.mean() - real_scores.mean() + 10 * (norm - 1).square().mean()
            + 1e-3 * real_scores.square().mean()
        )  # fmt: skip
        judge_loss.backward()
        self.discriminator_adam.step()
        self.generator_adam.zero_grad()
        self.discriminator.requires_grad_(not self.rival.merged)
        with self.rival.cast():
            loss = -self.discriminator(self.generator(self.rival.latents())).mean()
        loss.backward()
        self.generator_adam.step()
        with torch.no_grad():
            averages, weights = self.average.parameters(), self.generator.parameters()
            torch._foreach_lerp_(list(averages), list(weights), 0.001)
        return judge_loss.item(), loss.item()


class CycleganStep:
    """Zhu et al. 2017, as the authors' PyTorch code writes it: both generators, then both D."""

    def __init__(self, rival):
        self.rival = rival
        for name, network in rival.networks.items():
            setattr(self, name, network)
        self.generator_adam = rival.adam("generator_ab", "generator_ba")
        self.discriminator_adam = rival.adam("discriminator_a", "discriminator_b")
        self.pools = {"a": [], "b": []}

    def __call__(self, a, b):
        self._train_discriminators(False)
        self.generator_adam.zero_grad()
        with self.rival.cast():
            fakes, loss = self._generator_loss(a, b)
        loss.backward()
        self.generator_adam.step()
        self._train_discriminators(True)
        self.discriminator_adam.zero_grad()
        losses = []
        for domain, real in (("a", a), ("b", b)):
            with self.rival.cast():
                losses.append(self._discriminator_loss(domain, real, fakes[domain].detach()))
            losses[-1].backward()
        self.discriminator_adam.step()
        return loss.item(), sum(losses).item()

    def _generator_loss(self, a, b):
        if self.rival.merged:
            fake_b, same_b = self.generator_ab(torch.cat([a, b])).chunk(2)
            fake_a, same_a = self.generator_ba(torch.cat([b, a])).chunk(2)
            back_a, back_b = self.generator_ba(fake_b), self.generator_ab(fake_a)
        else:
            fake_b = self.generator_ab(a)
            back_a = self.generator_ba(fake_b)
            fake_a = self.generator_ba(b)
            back_b = self.generator_ab(fake_a)
            same_b, same_a = self.generator_ab(b), self.generator_ba(a)
        loss = _squares(self.discriminator_a(fake_a), 1) + _squares(self.discriminator_b(fake_b), 1)
        for back, same, real in ((back_a, same_a, a), (back_b, same_b, b)):
            loss = loss + 10 * (
                functional.l1_loss(back, real) + 0.5 * functional.l1_loss(same, real)
            )
        return {"a": fake_a, "b": fake_b}, loss

    def _discriminator_loss(self, domain, real, fake):
        discriminator = getattr(self, f"discriminator_{domain}")
        fake = self._exchange(self.pools[domain], fake)
        if self.rival.merged:
            real_logits, fake_logits = discriminator(torch.cat([real, fake])).chunk(2)
        else:
            real_logits, fake_logits = discriminator(real), discriminator(fake)
        return 0.5 * (_squares(real_logits, 1) + _squares(fake_logits, 0))

    def _exchange(self, pool, images):
        taken = []
        for image in images.split(1):
            if len(pool) < 50:
                pool.append(image.clone())
            elif random.random() > 0.5:
                place = random.randrange(50)
                image, pool[place] = pool[place], image.clone()
            taken.append(image)
        return torch.cat(taken)

    def _train_discriminators(self, train):
        self.discriminator_a.requires_grad_(train)
        self.discriminator_b.requires_grad_(train)


def _squares(logits, target):
    return (logits.float() - target).square().mean()


def main():
    out, row = claim_output(), json.loads(sys.argv[1])
    # As the authors' code searches for kernels, and as TensorFlow multiplies on a GPU.
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    if row.get("threads"):
        torch.set_num_threads(row["threads"])
    rival = Rival(row)
    rival.step()
    first = time.perf_counter() - START
    serve(
        {
            "hello": lambda: {"version": torch.__version__, "first_step": first},
            "step": rival.step,
            "generate": rival.generate,
            "memory": rival.memory,
        },
        out,
        CLOCKS[row["clock"]],
    )


if __name__ == "__main__":
    main()
