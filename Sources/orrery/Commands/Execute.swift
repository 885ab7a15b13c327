import ArgumentParser
import Calibration
import Execution
import Glibc
import Lifetime
import Quantities
import Report
import Scenario

struct Execute: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Really run small training jobs on this machine's CPUs, beside their prediction.",
        discussion: """
            Each worker is a process with a core of its own. The prediction adds up the times of single kernels and copies and plays the schedule
            as the simulator does; the run itself does not enter it. The times come from a calibration of the machine (orrery calibrate cpu),
            and from the run's own kernels, measured between the steps. See docs/execute.md.
            """)
    @Argument(help: "Scenario files (YAML).", completion: .file(extensions: ["yaml", "yml"])) var files: [String]
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: ArgumentHelp("Write a table of all runs as Markdown.", valueName: "file"), completion: .file())
    var table: String?
    @Option(
        help: ArgumentHelp("Predict from this measurement file, as orrery calibrate cpu writes it.", valueName: "file"),
        completion: .file(extensions: ["csv"])) var calibration: String?
    @Option(
        help: ArgumentHelp(
            "Write what was measured in Prometheus' text format, after every run: a folder that node_exporter's textfile collector reads.",
            valueName: "file"), completion: .file()) var metrics: String?
    @Flag(help: "Predict, and run nothing: from the calibration, else from the kernels, timed now.") var predictOnly = false
    @Option(help: "Kernels are timed and steps run in turn, so many times.") var rounds = 3
    @Option(help: "Milliseconds that each of the run's own kernels is timed for in a round; 0: not at all.") var trial = 20
    @Option(help: "Seconds without a sign of life after which a run is given up.") var patience = 120
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the files, for instance execute.steps=5; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    func validate() throws {
        guard (1...1000).contains(rounds), (0...60_000).contains(trial), (1...86_400).contains(patience) else {
            throw ValidationError("--rounds is 1 to 1000, --trial 0 to 60000 and --patience 1 to 86400")
        }
    }

    func run() throws {
        var specs: [ExecutionSpec] = []
        var faults: [ScenarioError] = []
        for file in files {
            do throws(ScenarioErrors) { specs += try ExecutionSpec.load(path: file, overrides: overrides) } catch { faults += error.errors }
        }
        guard faults.isEmpty else { throw ScenarioErrors(faults) }
        if predictOnly, let metrics { throw InputError("--metrics \(metrics) has nothing measured: leave out --predict-only") }
        if predictOnly, let table { throw InputError("--table \(table) compares predictions with runs: leave out --predict-only") }
        if predictOnly, trial == 0, calibration == nil {
            throw InputError("--predict-only with --trial 0 has nothing to predict from: give --calibration FILE or --trial 20")
        }
        let outputs = try Outputs(
            [("--table", table), ("--metrics", metrics)], inputs: files + specs.flatMap(\.files) + [calibration].compactMap(\.self))
        let times = try calibration.map { try calibrated($0) }
        if predictOnly { return try predict(specs, times) }
        var reports: [ExecutionReport] = []
        for (index, spec) in specs.enumerated() {
            if specs.count > 1 { output.note("\(index + 1)/\(specs.count) \(spec.name)") }
            let report = try execute(spec, times)
            if !output.json, !output.csv { try Console.output(report.summary() + (index + 1 < specs.count ? "\n" : "")) }
            reports.append(report)
            // After every run, so that a break leaves what is finished.
            if let table { outputs.write(("--table", table), Array(RunComparison(reports).markdown(date: today()).utf8)) {} }
            if let metrics { outputs.write(("--metrics", metrics), Array(reports.metricsText().utf8)) {} }
        }
        if output.json {
            let values = reports.map(\.json)
            try Console.output((values.count == 1 ? values[0] : .array(values)).text() + "\n")
        }
        if output.csv { try Console.output(CSVRecords.text(reports.csvRows)) }
        try outputs.finish()
        if let table { output.note("table: \(table)") }
        if let metrics { output.note("metrics: \(metrics)") }
    }

    private func calibrated(_ path: String) throws -> KernelTimes {
        do {
            let (times, remark) = try KernelTimes.ofThisMachine(path: path)
            if let remark { output.note(remark) }
            return times
        } catch let error as CalibrationError { throw InputError("--calibration \(path): \(error.message)") }
    }

    private func settings(_ times: KernelTimes?) -> ExecutionSettings {
        var settings = ExecutionSettings()
        settings.workers = .processes(executable: "/proc/self/exe")
        settings.calibration = times
        settings.rounds = rounds
        settings.trialSeconds = Double(trial) / 1e3
        settings.patience = Double(patience)
        return settings
    }

    /// One prediction for each spec, in the form asked for.
    private func predict(_ specs: [ExecutionSpec], _ times: KernelTimes?) throws {
        var predictions: [(spec: ExecutionSpec, prediction: StepPrediction)] = []
        for (index, spec) in specs.enumerated() {
            let prediction = try named(spec) { () throws(ExecutionError) in try StepPrediction.make(spec, settings(times)) }
            if !output.json, !output.csv { try Console.output(prediction.summary(spec) + (index + 1 < specs.count ? "\n" : "")) }
            predictions.append((spec, prediction))
        }
        if output.json {
            let values = predictions.map { $0.spec.json($0.prediction) }
            try Console.output((values.count == 1 ? values[0] : .array(values)).text() + "\n")
        }
        if output.csv {
            let rows = predictions.map { [$0.spec.name, "\($0.spec.workers)", "\($0.prediction.times.step)", "\($0.prediction.error)"] }
            try Console.output(CSVRecords.text([["scenario", "workers", "predicted_s", "stated_error"]] + rows))
        }
    }

    private func execute(_ spec: ExecutionSpec, _ times: KernelTimes?) throws -> ExecutionReport {
        let progress = Progress(spec.name, of: spec.steps, quiet: output.quiet)
        var settings = settings(times)
        settings.progress = { done, _ in progress.show(done) }
        defer { progress.finish() }
        return try named(spec) { () throws(ExecutionError) in try ExecutionReport.run(spec, settings) }
    }

    /// An error gets the run's name; one of the spec is bad input, one of a worker is not.
    private func named<Result>(_ spec: ExecutionSpec, _ body: () throws(ExecutionError) -> Result) throws -> Result {
        do throws(ExecutionError) { return try body() } catch {
            guard error.kind == .refused else {
                Console.error("orrery execute: \(spec.name): \(error.message)")
                throw ExitCode.internalFault
            }
            throw InputError("orrery execute: \(spec.name): \(error.message)")
        }
    }

    private func today() -> String {
        var now = Glibc.time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    }
}

/// What a worker process of `execute` runs; not for people.
struct ExecuteWorker: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "execute-worker", abstract: "A worker process of execute, which starts it itself.", shouldDisplay: false)
    @Option(help: "File descriptor of the shared memory.") var memory: Int32
    @Option(help: "Number of the worker.") var number: Int

    func run() throws {
        let status = runWorkerProcess(descriptor: memory, number: number)
        if status != 0 { throw ExitCode(status) }
    }
}

extension ExecutionSpec {
    /// Keys as those of `orrery run --json`; a worker stands for a GPU.
    fileprivate func account(_ times: StepTimes, _ stepFLOPs: Double, _ extra: [(key: String, value: JSONValue)]) -> JSONValue {
        let samples = Double(batch) / times.step
        let flops = stepFLOPs / times.step / Double(workers) / 1e12
        let step: [(key: String, value: JSONValue)] = [
            ("time_s", .number(times.step)), ("tokens_per_s", .number(samples * Double(tokensPerSample))),
            ("tokens_per_s_per_gpu", .number(samples * Double(tokensPerSample) / Double(workers))),
            ("samples_per_s", .number(samples)), ("model_tflops_per_gpu", .number(flops)),
            ("hardware_tflops_per_gpu", .number(flops)),
            ("utilization", .number((times.forward + times.backward + times.optimizer) / times.step)),
        ]
        return .object([
            ("step", .object(step + extra)),
            (
                "breakdown_s",
                .object([
                    ("forward", .number(times.forward)), ("backward", .number(times.backward)),
                    ("optimizer", .number(times.optimizer)), ("pipeline_comm", .number(times.pipelineComm)),
                    ("data_comm", .number(times.dataComm)), ("encode", .number(times.encode)), ("decode", .number(times.decode)),
                    ("straggler", .number(times.straggle)), ("bubble", .number(times.bubble)), ("other", .number(times.other)),
                ])
            ),
        ])
    }

    fileprivate func account(_ prediction: StepPrediction) -> JSONValue {
        let evidence: [(EvidenceKind, String)] = [(.measured, "measured"), (.interpolated, "interpolated"), (.formula, "formula")]
        return account(
            prediction.times, prediction.stepFLOPs,
            [
                ("kernel_times", .string(prediction.source)), ("stated_error", .number(prediction.error)),
                ("evidence", .object(evidence.map { ($0.1, .number(prediction.evidence[$0.0] ?? 0)) })),
            ])
    }

    fileprivate func json(_ prediction: StepPrediction) -> JSONValue {
        .object([("scenario", .string(name)), ("workers", .integer(workers)), ("predicted", account(prediction))])
    }
}

extension ExecutionReport {
    fileprivate var json: JSONValue {
        .object([
            ("scenario", .string(spec.name)), ("workers", .integer(spec.workers)), ("machine", .string(backend)),
            ("predicted", prediction.map { spec.account($0) } ?? .null),
            ("predicted_from_own_kernels", own.map { spec.account($0) } ?? .null),
            (
                "measured",
                spec.account(
                    measured, stepFLOPs,
                    [
                        ("median_s", .number(median)), ("undisturbed_s", .number(undisturbed)),
                        ("all_s", .array(steps.map { .number($0) })),
                    ])
            ),
            ("error", .optional(error)), ("undisturbed_error", .optional(undisturbedError)),
            ("disturbance", .number(disturbance)), ("load", .object([("before", .number(load.before)), ("after", .number(load.after))])),
            ("losses", .array(losses.map { .number($0) })),
        ])
    }
}

extension [ExecutionReport] {
    /// What every run was measured at, a sample for each scenario.
    fileprivate func metricsText() -> String {
        var text = PrometheusText()
        for report in self {
            let (times, labels) = (report.measured, [("scenario", report.spec.name)])
            func add(_ name: String, _ unit: String, _ help: String, _ value: Double) {
                text.add(PrometheusText.Family(name: name, unit: unit, help: help, isCounter: false), value, labels)
            }
            let parts: [(String, Double)] = [
                ("forward", times.forward), ("backward", times.backward), ("optimizer", times.optimizer),
                ("pipeline_comm", times.pipelineComm),
                ("data_comm", times.dataComm), ("encode", times.encode), ("decode", times.decode), ("straggler_wait", times.straggle),
                ("bubble", times.bubble), ("other", times.other),
            ]
            let samples = Double(report.spec.batch) / times.step
            add("step_time_seconds", "s", "mean of the fastest quarter of the steps", times.step)
            add("step_time_p50_seconds", "s", "median of the step's time", report.median)
            add("step_time_undisturbed_seconds", "s", "by the processor's clock", report.undisturbed)
            for (name, seconds) in parts {
                add("\(name)_seconds", "s", "\(name.replacing("_", with: " ")) in a step", seconds)
                add("\(name)_ratio", "1", "\(name.replacing("_", with: " ")) over the step", seconds / times.step)
            }
            add("samples_per_second", "1/s", "samples a second", samples)
            add("tokens_per_second", "1/s", "tokens a second", samples * Double(report.spec.tokensPerSample))
            add(
                "tokens_per_second_per_gpu", "1/s", "tokens a second of a worker",
                samples * Double(report.spec.tokensPerSample) / Double(report.spec.workers))
            add(
                "model_tflops_per_gpu", "TFLOP/s", "FLOPs a second of a worker",
                report.stepFLOPs / times.step / Double(report.spec.workers) / 1e12)
            add(
                "gpu_utilization_ratio", "1", "share of the step in which a worker computes",
                (times.forward + times.backward + times.optimizer) / times.step)
            add("load_average", "1", "processes that are ready to run, a minute's mean", report.load.after)
            add("disturbance_ratio", "1", "wall over processor time of the computation, less 1", report.disturbance)
            if let error = report.error { add("prediction_error_ratio", "1", "predicted over measured step, less 1", error) }
            text.add(
                PrometheusText.Family(name: "run_steps_total", unit: "1", help: "steps done", isCounter: true), Double(report.losses.count),
                labels)
            if let loss = report.losses.last { add("loss", "nat", "mean loss of the last step", loss) }
            var average = MovingAverage(window: 20)
            for loss in report.losses { average.take(loss) }
            add("loss_moving_average", "nat", "over the last 20 steps", average.mean)
            add("loss_moving_variance", "nat^2", "over the last 20 steps", average.variance)
        }
        return text.text
    }

    fileprivate var csvRows: [[String]] {
        [["scenario", "workers", "predicted_s", "own_kernels_s", "measured_s", "error", "undisturbed_s", "median_s", "disturbance"]]
            + map { report in
                [
                    report.spec.name, "\(report.spec.workers)", report.predicted.map { "\($0.step)" } ?? "",
                    report.own.map { "\($0.times.step)" } ?? "", "\(report.measured.step)",
                    report.error.map { "\($0)" } ?? "", "\(report.undisturbed)", "\(report.median)", "\(report.disturbance)",
                ]
            }
    }
}
