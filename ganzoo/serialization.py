"""How a model of several networks goes through Keras: `.keras` files, pickle and deepcopy."""

import contextlib

import keras
import numpy as np


class SerializableModel(keras.Model):
    """A model that Keras saves, loads and copies whole, although it cannot see its parts.

    A subclass has `networks` and `optimizers` by name, the `settings` of `compile`, and `trained`,
    which belongs to the weights and is stored with them: a model that is made of another's
    config alone has trained nothing.
    """

    possible_networks: tuple[str, ...] = ()

    def get_config(self):
        networks = {
            name: keras.saving.serialize_keras_object(network)
            for name, network in self.networks.items()
        }
        return {
            "name": self.name,
            "seed": self.seed,
            "dtype": self.dtype_policy.name,
            **networks,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        # Keras writes the policy of every layer, but of no functional model: such a one, and
        # this model, would take whatever policy holds where they are read.
        with under_policy(config.get("dtype") or keras.config.dtype_policy()):
            for name in cls.possible_networks:
                if isinstance(config.get(name), dict):
                    config[name] = keras.saving.deserialize_keras_object(
                        config[name], custom_objects
                    )
            return cls(**config)

    def get_compile_config(self):
        return {
            "optimizers": {
                name: keras.saving.serialize_keras_object(optimizer)
                for name, optimizer in self.optimizers.items()
            },
            "settings": self.settings,
            "jit_compile": self.jit_compile,
            "steps_per_execution": self.steps_per_execution,
        }

    def compile_from_config(self, config):
        config = dict(config)
        optimizers = {
            name: keras.saving.deserialize_keras_object(value)
            for name, value in config.pop("optimizers").items()
        }
        self.compile(**optimizers, **config.pop("settings"), **config)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for name in self.possible_networks:
            store[f"trained_{name}"] = np.array(name in self.trained)

    def load_own_variables(self, store):
        stored = {key: store[key] for key in store.keys()}  # noqa: SIM118  no dict
        # Earlier versions did not write which are trained.
        marks = {name: stored.pop(f"trained_{name}", False) for name in self.possible_networks}
        super().load_own_variables(stored)
        self.trained = frozenset(name for name, is_trained in marks.items() if is_trained)


@contextlib.contextmanager
def under_policy(policy):
    """Makes a dtype policy, or its name, Keras's own for as long as the context lasts."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
