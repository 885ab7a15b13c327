"""Tests of the package as it is installed. Run by make test-python in a fresh environment."""

import os
import tempfile
import unittest
from pathlib import Path

import pandas

import orrery

JOB = {
    "model": {"preset": "gpt2-xl"},
    "cluster": {"gpu": "a100-sxm-80gb", "gpus": 8},
    "layout": {"zero": 3},
    "training": {"global_batch": 64, "sequence": 1024},
}


class RunTests(unittest.TestCase):
    def test_a_dict_and_its_file_give_the_same(self) -> None:
        import json

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "scenario.yaml")
            path.write_text(json.dumps(JOB))
            self.assertEqual(dict(orrery.run(JOB)), dict(orrery.run(path)))

    def test_settings_are_laid_over(self) -> None:
        one, two = orrery.run(JOB), orrery.run(JOB, set={"training.global_batch": 128})
        self.assertGreater(two.step_time_s, 1.5 * one.step_time_s)
        self.assertTrue(one.fits)
        self.assertTrue(0 < one.mfu < 1)

    def test_a_job_that_does_not_fit_is_an_answer(self) -> None:
        big = {**JOB, "model": {"preset": "llama3-405b"}, "training": {"global_batch": 8, "sequence": 8192}}
        self.assertFalse(orrery.run(big).fits)

    def test_errors_have_places(self) -> None:
        with self.assertRaises(orrery.ScenarioError) as caught:
            orrery.run({**JOB, "layout": {"tensr": 2}})
        self.assertEqual(caught.exception.problems[0].key, "layout.tensr")
        self.assertGreater(caught.exception.problems[0].line, 1)

    def test_files_are_sought_from_the_working_folder(self) -> None:
        config = '{"model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 1000}'
        with tempfile.TemporaryDirectory() as folder:
            before = os.getcwd()
            os.chdir(folder)
            try:
                Path("config.json").write_text(config)
                self.assertTrue(orrery.run({**JOB, "model": {"huggingface": "config.json"}}).fits)
            finally:
                os.chdir(before)

    def test_jupyter_shows_the_page(self) -> None:
        self.assertIn("<iframe", orrery.run(JOB, page=True)._repr_html_())


class TableTests(unittest.TestCase):
    def test_sweep(self) -> None:
        frame = orrery.sweep(JOB, {"cluster.gpus": [8, 16], "layout.zero": [1, 3]})
        self.assertEqual(len(frame), 4)
        self.assertIn("step.time_s", frame.columns)
        self.assertEqual(sorted(set(frame["cluster.gpus"].astype(int))), [8, 16])

    def test_search(self) -> None:
        frame = orrery.search(JOB, time_budget=5)
        self.assertGreaterEqual(len(frame), 10)
        self.assertTrue(frame["step.time_s"].iloc[0] <= frame["step.time_s"].iloc[-1])

    def test_compare(self) -> None:
        frame = orrery.compare(JOB, {**JOB, "layout": {"zero": 1}})
        self.assertEqual(len(frame), 2)
        self.assertIsInstance(frame, pandas.DataFrame)

    def test_catalogue(self) -> None:
        self.assertGreater(len(orrery.catalogue("gpus")), 30)


if __name__ == "__main__":
    unittest.main()
