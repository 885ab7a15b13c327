import Foundation
import Testing

@Suite("Launch files in and out, and one-liners")
struct InteropTests {
    private static let script = """
        #!/bin/bash
        torchrun --nproc_per_node 8 --nnodes 1 pretrain_gpt.py --num-layers 4 --hidden-size 512 --num-attention-heads 8 --seq-length 512 \\
          --micro-batch-size 1 --global-batch-size 16 --bf16 --tensor-model-parallel-size 2 --use-distributed-optimizer --lr 1e-4 --strange-option 3
        """

    @Test func aLaunchFileBecomesAScenarioThatRuns() throws {
        let folder = try Folder()
        let launch = try folder.write(Self.script, as: "train.sh")
        let job = folder.path("job.yaml")
        let made = try Program.run("import", "megatron", launch, "-o", job, "--json")
        #expect(made.status == 0, "\(made.errors)")
        #expect(made.errors.contains("--strange-option 3 has no counterpart"))
        #expect(
            made.output.contains("\"verdict\": \"taken\"") && made.output.contains("\"verdict\": \"harmless\"")
                && made.output.contains("\"verdict\": \"refused\""))
        #expect(try Program.run("run", job, "--quiet", "--json").status == 0)
        let back = try Program.run("export", "megatron", job, "--quiet")
        #expect(
            back.status == 0 && back.output.contains("--tensor-model-parallel-size 2")
                && back.output.contains("--use-distributed-optimizer"), "\(back.errors)")
        let refused = try Program.run("export", "torchtitan", job)
        #expect(refused.status == 2 && refused.errors.contains("job.yaml: "))
    }

    @Test func badLaunchesEndWithTheirPlace() throws {
        let folder = try Folder()
        let launch = try folder.write(Self.script.replacing("--lr 1e-4", with: "--fp16"), as: "train.sh")
        let outcome = try Program.run("import", "megatron", launch)
        #expect(
            outcome.status == 2 && outcome.output.isEmpty && outcome.errors.contains("train.sh:3:1: ")
                && outcome.errors.contains("contradict"), "\(outcome.errors)")
        #expect(try Program.run("import", "megatron", launch, "-o", launch).status == 2)
        #expect(try Program.run("import", "nemo", folder.path("none.yaml")).status == 2)
        #expect(try Program.run("import", "deepspeed", launch, "--define", "novalue").status == 2)
    }

    @Test func quickAnswersAndShowsItsScenario() throws {
        let folder = try Folder()
        let printed = try Program.run(
            "quick", "gpt2", "--gpu", "a100", "--gpus", "2", "--batch", "8", "--sequence", "1024", "--time-budget", "600", "--print",
            "--quiet")
        #expect(printed.status == 0 && printed.output.contains("gpu: a100-sxm-80gb"), "\(printed.errors)")
        let job = try folder.write(printed.output, as: "quick.yaml")
        let answer = try Program.run(
            "quick", "gpt2", "--gpu", "a100", "--gpus", "2", "--batch", "8", "--sequence", "1024", "--time-budget", "600", "--json",
            "--quiet")
        let run = try Program.run("run", job, "--json", "--quiet")
        #expect(run.status == 0 && run.output == answer.output, "\(run.errors)")
        #expect(try Program.run("quick", "gpt2", "--gpu", "b999", "--gpus", "8").status == 2)
        #expect(try Program.run("quick", "gpt9", "--gpu", "a100", "--gpus", "8").status == 2)
    }

    @Test func initWritesAScenarioThatRunsAndReplacesNothing() throws {
        let folder = try Folder()
        let job = folder.path("job.yaml")
        #expect(try Program.run("init", job).status == 0)
        #expect(try Program.run("run", job, "--quiet").status == 0)
        let again = try Program.run("init", job)
        #expect(again.status == 2 && again.errors.contains("is there already"))
    }
}
