import Cost
import Lifetime
import Plan
import Quantities
import Simulation

extension RunAnswer {
    /// The result file of this run: keys in a fixed order, each defined in docs/definitions.md, with a final newline.
    public func json() -> String { jsonValue().text() + "\n" }

    /// The result files of several runs, as a list in the given order.
    public static func json(of reports: [RunAnswer]) -> String {
        JSONValue.array(reports.map { $0.jsonValue() }).text() + "\n"
    }

    /// The result as a value, for commands that put it into a larger document.
    public func jsonValue() -> JSONValue { jsonValue(spreadDistributions: false) }

    /// - Parameter spreadDistributions: write a distribution as an object even where all samples are equal, so that a table has the same columns.
    public func jsonValue(spreadDistributions: Bool) -> JSONValue {
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
                        ("by_group", ordered(result.traffic.byGroup, known: Traffic.groups)),
                    ] + (result.fabric?.json ?? []))
            ),
            ("run", runJSON(spread: spreadDistributions)), ("bill", billJSON(spread: spreadDistributions)),
            ("evidence", JSONValue(result.evidence)),
            (
                "assumptions",
                .array(
                    result.assumptions.map {
                        .object([("subject", .string($0.subject)), ("value", .string($0.value)), ("source", .string($0.source))])
                    })
            ),
        ]
        let monitor = outcome?.monitorJSON.map { [(key: "monitor", value: $0)] } ?? []
        let updates = phases.count > 1 ? [(key: "updates", value: phases.json)] : []
        return .object(fields + monitor + updates + anchoredFields)
    }

    private var anchoredFields: [(key: String, value: JSONValue)] {
        anchored.map { [(key: "anchored", value: JSONValue($0))] } ?? []
    }

    private func runJSON(spread: Bool) -> JSONValue {
        outcome?.runJSON({ distribution($0, spread: spread) }, tokensPerSample: job.tokensPerSample) ?? json(run)
    }

    private func billJSON(spread: Bool) -> JSONValue {
        guard let outcome, case .object(let members) = money(bill) else { return money(bill) }
        return .object(members + outcome.billJSON { distribution($0, spread: spread) })
    }

    private func step(_ step: StepResult, spread: Bool) -> JSONValue {
        .object(
            [
                ("time_s", distribution(step.timeS, spread: spread)), ("tokens_per_s", .number(step.tokensPerS)),
                ("tokens_per_s_per_gpu", .number(step.tokensPerSPerGPU)), ("samples_per_s", .number(step.samplesPerS)),
                ("model_tflops_per_gpu", .number(step.modelTFLOPsPerGPU)), ("hardware_tflops_per_gpu", .number(step.hardwareTFLOPsPerGPU)),
                ("mfu", .number(step.mfu)), ("hfu", .number(step.hfu)), ("mfu_causal", .number(step.mfuCausal)),
                ("utilization", .number(step.utilization)),
            ] + (mfu16.map { [("mfu_16bit", .number($0))] } ?? []))
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

    private func json(_ run: RunSummary) -> JSONValue {
        .object([
            ("steps", .integer(run.steps)), ("tokens", .number(run.tokens)), ("wall_clock_s", .number(run.wallClockS)),
            ("goodput", .number(run.goodput)), ("lost_s", .object(LossCause.allCases.map { ($0.rawValue, .number(run.lostS[$0] ?? 0)) })),
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

extension JSONValue {
    public init(_ evidence: Evidence) {
        var fields: [(key: String, value: JSONValue)] = [
            ("measured", .number(evidence.measured)), ("interpolated", .number(evidence.interpolated)),
            ("formula", .number(evidence.formula)), ("step_time_error", .number(evidence.stepTimeError)),
        ]
        if let range = evidence.interval90 { fields.append(("interval90", .array(range.map { JSONValue.number($0) }))) }
        self = .object(fields)
    }

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
            ("suspects", .array(anchored.suspects.map { .string($0) })),
            ("silent", .array(anchored.silent.map { .string($0) })),
        ])
    }
}

extension FabricLoad {
    /// Members of `traffic_bytes` in the result file.
    var json: [(key: String, value: JSONValue)] {
        func groups(_ values: [String: Double]) -> JSONValue {
            .object(Traffic.groups.filter { (values[$0] ?? 0) > 0 }.map { ($0, .number(values[$0] ?? 0)) })
        }
        let links: [JSONValue] = links.map { link in
            .object([
                ("name", .string(link.name)), ("alike", .integer(link.alike)), ("bytes", .number(link.bytes)),
                ("utilization", .number(link.utilization)), ("by_group", groups(link.byGroup)),
                ("series", .array(link.series.map { .number(($0 * 1e4).rounded() / 1e4) })),
            ])
        }
        let waits: [JSONValue] = waits.map { wait in
            .object([
                ("group", .string(wait.group)), ("link", .string(wait.link)), ("waited_for", .array(wait.rivals.map { .string($0) })),
                ("seconds", .number(wait.seconds)),
            ])
        }
        return [("links", .array(links)), ("waits", .array(waits))]
    }
}
