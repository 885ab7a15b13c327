import Cost
import Plan
import Simulation

extension RunReport {
    /// The result file of this run: keys and order as `design/scenario.md` states them, with a final newline.
    public func json() -> String { jsonValue().text() + "\n" }

    /// The result files of several runs, as a list in the given order.
    public static func json(of reports: [RunReport]) -> String {
        JSONValue.array(reports.map { $0.jsonValue() }).text() + "\n"
    }

    /// The result as a value, for commands that put it into a larger document.
    public func jsonValue() -> JSONValue { jsonValue(spreadDistributions: false) }

    /// - Parameter spreadDistributions: write a distribution as an object even where all samples are equal, so that a table has the same columns.
    func jsonValue(spreadDistributions: Bool) -> JSONValue {
        let fields: [(key: String, value: JSONValue)] = [
            ("scenario", .string(scenario)), ("hash", .string(hash)), ("version", .string(version)), ("seed", .unsigned(seed)),
            ("valid", .bool(valid)), ("warnings", .array(allWarnings.map { .string($0) })),
            ("step", step(result.step, spread: spreadDistributions)),
            ("breakdown_s", .object(Activity.allCases.map { ($0.rawValue, .number(result.breakdownS[$0] ?? 0)) })),
            ("overlapped_comm_s", .number(result.overlappedCommS)), ("memory", memory(result.memory)),
            (
                "traffic_bytes",
                .object(
                    [
                        ("nvlink", .number(result.traffic.nvlink)), ("network", .number(result.traffic.network)),
                        ("by_group", ordered(result.traffic.byGroup, known: trafficGroups)),
                    ] + (result.fabric?.json ?? []))
            ),
            ("run", run(result.run)), ("bill", money(bill)), ("evidence", JSONValue(result.evidence)),
            (
                "assumptions",
                .array(
                    result.assumptions.map {
                        .object([("subject", .string($0.subject)), ("value", .string($0.value)), ("source", .string($0.source))])
                    })
            ),
        ]
        return .object(fields + anchoredFields)
    }

    private var anchoredFields: [(key: String, value: JSONValue)] {
        anchored.map { [(key: "anchored", value: JSONValue($0))] } ?? []
    }

    private func step(_ step: StepResult, spread: Bool) -> JSONValue {
        .object([
            ("time_s", distribution(step.timeS, spread: spread)), ("tokens_per_s", .number(step.tokensPerS)),
            ("tokens_per_s_per_gpu", .number(step.tokensPerSPerGPU)), ("samples_per_s", .number(step.samplesPerS)),
            ("model_tflops_per_gpu", .number(step.modelTFLOPsPerGPU)), ("hardware_tflops_per_gpu", .number(step.hardwareTFLOPsPerGPU)),
            ("mfu", .number(step.mfu)), ("hfu", .number(step.hfu)), ("mfu_causal", .number(step.mfuCausal)),
            ("utilization", .number(step.utilization)),
        ])
    }

    private func distribution(_ value: Distribution, spread: Bool) -> JSONValue {
        if !spread, value.isSingle { return .number(value.mean) }
        return .object([
            ("mean", .number(value.mean)), ("p5", .number(value.p5)), ("p50", .number(value.p50)), ("p95", .number(value.p95)),
            ("n", .integer(value.n)),
        ])
    }

    private func memory(_ memory: MemoryEstimate) -> JSONValue {
        // The parts at the top are those of the stage with the peak, so that they sum to it.
        let fullest = memory.fullestStage.map { memory.stages[$0] } ?? MemoryEstimate.Stage()
        let stages: [JSONValue] = memory.stages.map { .object(parts($0) + [("total", .number($0.total))]) }
        return .object(
            [
                ("peak_bytes", .number(memory.peak)), ("capacity_bytes", .number(memory.capacity)), ("fits", .bool(memory.fits)),
                ("by_stage", .array(stages)),
            ] + parts(fullest))
    }

    private func parts(_ stage: MemoryEstimate.Stage) -> [(key: String, value: JSONValue)] {
        MemoryPart.allCases.map { ($0.rawValue, .number($0.bytes(stage))) }
    }

    private func run(_ run: RunSummary) -> JSONValue {
        .object([
            ("steps", .integer(run.steps)), ("tokens", .number(run.tokens)), ("wall_clock_s", .number(run.wallClockS)),
            ("goodput", .number(run.goodput)), ("lost_s", ordered(run.lostS, known: lossCauses)),
        ])
    }

    private func money(_ bill: Bill) -> JSONValue {
        .object([
            ("total_usd", .number(bill.totalUSD)), ("compute_usd", .number(bill.computeUSD)), ("energy_usd", .number(bill.energyUSD)),
            ("storage_usd", .number(bill.storageUSD)), ("network_usd", .number(bill.networkUSD)),
            ("usd_per_million_tokens", .number(bill.usdPerMillionTokens)), ("gpu_hours", .number(bill.gpuHours)),
            ("energy_kwh", .number(bill.energyKWh)), ("carbon_kg", .number(bill.carbonKg)),
        ])
    }

    /// Known keys in their order, zero where absent; then any others by name.
    private func ordered(_ values: [String: Double], known: [String]) -> JSONValue {
        let others = values.keys.filter { !known.contains($0) }.sorted()
        return .object((known + others).map { ($0, .number(values[$0] ?? 0)) })
    }
}

let trafficGroups = ["tensor", "sequence", "context", "expert", "pipeline", "data"]
let lossCauses = ["failures", "recomputed", "checkpoints", "restarts", "preemptions"]

extension JSONValue {
    init(_ evidence: Evidence) {
        var fields: [(key: String, value: JSONValue)] = [
            ("measured", .number(evidence.measured)), ("interpolated", .number(evidence.interpolated)),
            ("formula", .number(evidence.formula)), ("step_time_error", .number(evidence.stepTimeError)),
        ]
        if let range = evidence.interval90 { fields.append(("interval90", .array(range.map { JSONValue.number($0) }))) }
        self = .object(fields)
    }
}

extension JSONValue {
    init(_ anchored: AnchoredReport) {
        self = .object([
            ("rows", .integer(anchored.rows)),
            (
                "shifted",
                .array(
                    anchored.shifted.map {
                        .object([("constant", .string($0.constant)), ("from", .number($0.from)), ("to", .number($0.to))])
                    })
            ),
        ])
    }
}

extension Distribution {
    /// All samples are equal, or there is one.
    var isSingle: Bool { n <= 1 || (p5 == mean && p95 == mean) }
}

extension MemoryEstimate {
    /// Index of the stage that needs most; the first of equals, nil without stages.
    var fullestStage: Int? { stages.indices.max { (stages[$0].total, $1) < (stages[$1].total, $0) } }
}

/// The parts of a stage's memory, in the order of the result file.
enum MemoryPart: String, CaseIterable {
    case parameters, gradients, optimizer, activations, buffers, fragmentation
    func bytes(_ stage: MemoryEstimate.Stage) -> Double {
        switch self {
        case .parameters: stage.parameters
        case .gradients: stage.gradients
        case .optimizer: stage.optimizer
        case .activations: stage.activations
        case .buffers: stage.buffers
        case .fragmentation: stage.fragmentation
        }
    }
}
