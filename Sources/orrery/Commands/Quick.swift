import ArgumentParser
import Quantities
import Report
import Scenario
import Studies

struct Quick: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict a model on so many GPUs, with the best layout.",
        discussion: """
            For instance: orrery quick llama3-8b --gpu h100 --gpus 64 --tokens 1T. The layout is that of a search; --print shows the scenario that the answer
            stands for, to be kept and changed.
            """)
    @Argument(help: "Model of the catalogue, or the path of a config.json.", completion: .file(extensions: ["json"])) var model: String
    @Option(help: ArgumentHelp("Device by its name in the catalogue, or its beginning.", valueName: "name")) var gpu: String
    @Option(parsing: .unconditional, help: ArgumentHelp("GPUs of the job.", valueName: "number")) var gpus: Int
    @Option(help: ArgumentHelp("Length of the run, for instance 1T; left out, one step.", valueName: "count")) var tokens: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of a sequence (default: the model's, at most 8192).", valueName: "tokens"))
    var sequence: Int?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Sequences of a step (default: about 4 million tokens, at least one sequence a GPU).", valueName: "sequences"))
    var batch: Int?
    @Flag(name: .customLong("print"), help: "Print the scenario instead of its answer.") var printsScenario = false
    @Option(parsing: .unconditional, help: ArgumentHelp("Take the best layout after this many seconds of search.", valueName: "seconds"))
    var timeBudget = 20.0
    @OptionGroup var output: OutputOptions
    @OptionGroup var jobs: JobsOption

    func validate() throws {
        for (name, value) in [("--gpus", gpus), ("--sequence", sequence ?? 1), ("--batch", batch ?? 1)]
        where !(1...1_000_000_000).contains(value) {
            throw ValidationError("\(name) is \(value); give a number above zero")
        }
        if !(timeBudget >= 0) { throw ValidationError("--time-budget is \(timeBudget); give seconds, zero or more") }
    }

    func run() throws {
        var question = QuickQuestion(model: model, gpu: gpu, gpus: gpus)
        (question.tokens, question.sequence, question.batch) = (tokens, sequence, batch)
        let answer = try interruptible { isInterrupted in
            var settings = QuickSettings(seconds: timeBudget)
            settings.isInterrupted = isInterrupted
            return try output.study("searching (bounds closed, %)", jobs: jobs.count) { try $0.quick(question, settings: settings) }
        }
        if printsScenario { return try Console.output(answer.yaml, isData: true) }
        try Console.output(
            output.json ? answer.run.json() : output.csv ? RunAnswer.csv(of: [answer.run]) : answer.run.summary(style: Console.style))
        output.note("the best of \(answer.layouts) layouts; --print shows the scenario")
    }
}

struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a scenario to start from, with a comment behind each key.", discussion: "A file that is there is left alone.")
    @Argument(help: "File to write, - for standard output.", completion: .file(extensions: ["yaml", "yml"])) var file = "job.yaml"

    func run() throws {
        if file == "-" { return try Console.output(Self.starter, isData: true) }
        guard !fileExists(file) else { throw InputError("\(file) is there already; name another file, or remove it") }
        try writeFile(Array(Self.starter.utf8), to: file)
        Console.error("\(file): written; orrery run \(file) predicts it")
    }

    static let starter = """
        # A job for orrery: `orrery run` predicts it, `orrery search` looks for a better layout. All keys: orrery scenario-keys.
        orrery: 1
        name: my-job

        model:
          preset: llama3-8b             # orrery catalogue models; or huggingface: path/to/config.json; or layers, hidden, heads, ffn, vocab

        cluster:
          gpu: h100-sxm-80gb            # orrery catalogue gpus
          gpus: 64                      # in nodes of 8, joined as this device usually is; inter_node: {link: ...} says otherwise

        layout:
          tensor: 1                     # GPUs that share every matrix
          pipeline: 1                   # stages that the layers are cut into
          context: 1                    # GPUs that share a sequence
          zero: 3                       # 0 replicas; shards of 1 optimizer state, 2 and gradients, 3 and parameters (FSDP)

        training:
          global_batch: 512             # sequences of a step
          micro_batch: 1                # sequences that a replica computes at once
          sequence: 8192                # tokens of a sequence
          precision: bf16               # or fp8, fp16, mxfp8, ...
          recompute: selective          # none | selective | full | auto
          tokens: 1T                    # length of the run; left out, one step

        # conditions:
        #   failures: llama3-2024       # what weeks on such a cluster lose: orrery catalogue failures
        #   slow_gpus: [{share: 2%, slowdown: 1.2}]

        software:
          framework: torchtitan         # orrery catalogue frameworks

        prices:
          preset: h100-market           # orrery catalogue prices; or gpu_hour: 2.10 USD/h

        """
}
