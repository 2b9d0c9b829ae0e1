"""Package metadata, read from settings.ini alone."""

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
EXTRAS = ("timm", "detect", "tiff", "mlflow", "explain", "clean", "onnx", "serve", "ddp", "slurm", "bench")
EXTRAS += ("docs", "dev")
OF_PAGES = ("*.j2", "*.css", "*.js", "vendor/*")
parser = ConfigParser(delimiters=["="])
parser.read(HERE / "settings.ini", encoding="utf-8")
config = parser["DEFAULT"]

setup(
    name=config["lib_name"],
    version=config["version"],
    description=config["description"],
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=config["author"],
    author_email=config["author_email"],
    url=config["git_url"],
    license=config["license_spdx"],
    keywords=config["keywords"],
    python_requires=">=" + config["min_python"],
    install_requires=config["requirements"].split(),
    extras_require={name: config[f"{name}_requirements"].split() for name in EXTRAS},
    packages=find_packages(include=["learnerkit", "learnerkit.*"]),
    package_data={"learnerkit": ["py.typed", "recipes/*.yaml", *(f"pages/{kind}" for kind in OF_PAGES)]},
    entry_points={"console_scripts": ["learnerkit=learnerkit.cli:main"]},
)
