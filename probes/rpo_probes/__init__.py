"""The bundled probes; they register through the same entry points as anyone's."""
