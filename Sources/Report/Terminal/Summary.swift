import Lifetime
import Plan
import Quantities
import Simulation
import Studies

extension RunAnswer {
    /// What a person wants to know of a run, for a terminal.
    public func summary(style: TextStyle) -> String {
        var blocks = [header(style), step(style), breakdown(style), memory(style)]
        if job.hasLength || run.steps > 1 { blocks.append(length(style)) }
        if let fabric = result.fabric { blocks.append(links(fabric, style)) }
        blocks.append(costs(style))
        blocks.append(evidence(style))
        if let unfit = unfitMessage() { blocks.insert(style.paint(unfit, .red), at: 1) }
        if !allWarnings.isEmpty {
            let lines = allWarnings.map { wrapped(printable($0), after: "  ! ", width: style.width, indent: "    ") }
            blocks.append(style.heading("Warnings") + "\n" + style.paint(lines.joined(separator: "\n"), .yellow))
        }
        if !result.assumptions.isEmpty { blocks.append(assumptions(style)) }
        return blocks.joined(separator: "\n\n") + "\n"
    }

    /// Which stage needs too much, by how much, and what would fit; nil where everything fits.
    public func unfitMessage() -> String? {
        RunAnswer.unfitMessage(memory: result.memory, device: job.cluster.accelerator.name, suggestions: suggestions)
    }

    /// The same for a plan that was never simulated.
    public static func unfitMessage(memory: MemoryEstimate, device: String, suggestions: [String]) -> String? {
        guard !memory.fits, let index = memory.fullestStage else { return nil }
        let stage = memory.stages[index]
        let over = memory.stages.count { $0.total > memory.capacity }
        let parts = MemoryPart.allCases.map { (name: $0.rawValue, bytes: $0.bytes(stage)) }.filter { $0.bytes > 0 }
        let largest = parts.enumerated().sorted { ($1.element.bytes, $0.offset) < ($0.element.bytes, $1.offset) }.prefix(3).map {
            "\($0.element.name) \(gigabytes($0.element.bytes))"
        }
        var lines = [
            "Does not fit: stage \(index) needs \(gigabytes(stage.total)) on each GPU, \(gigabytes(stage.total - memory.capacity)) more than the "
                + "\(gigabytes(memory.capacity)) of \(printable(device)).",
            "  Largest parts: \(largest.joined(separator: ", "))."
                + (memory.stages.count > 1 ? " \(over) of \(memory.stages.count) stages are over." : ""),
        ]
        if !suggestions.isEmpty { lines += ["  What would fit:"] + suggestions.map { "    - " + printable($0) } }
        return lines.joined(separator: "\n")
    }

    private func header(_ style: TextStyle) -> String {
        let name = printable(job.model.name)
        let title = "\(name) on \(grouped(job.cluster.gpus)) x \(printable(job.cluster.accelerator.name))"
        let scenarioName = shortened(printable(scenario), max(0, style.width - title.count - 2))
        let gap = String(repeating: " ", count: max(1, style.width - title.count - scenarioName.count))
        let nodes = "\(grouped(job.cluster.nodes)) \(job.cluster.nodes == 1 ? "node" : "nodes") of \(job.cluster.gpusPerNode)"
        let facts = [
            ("cluster", "\(nodes), \(printable(job.networkInWords))"), ("layout", "\(job.degreesInWords); \(job.rulesInWords)"),
            ("training", job.batchInWords),
        ]
        let lines = facts.map { wrapped($0.1, after: "  \(padded($0.0, 9)) ", width: style.width, indent: "            ") }
        return
            ([
                style.heading(title) + gap + style.paint(scenarioName, .cyan), style.rule,
            ] + lines + [
                "  software  \(printable(([job.software.framework] + [job.software.release].compactMap { $0 }).joined(separator: " ")))"
                    + style.paint("   seed \(seed), scenario \(hash.isEmpty ? "–" : printable(hash)), orrery \(printable(version))", .dim)
            ]).joined(separator: "\n")
    }

    private func step(_ style: TextStyle) -> String {
        let step = result.step
        let unit = job.training.sequence > 1 ? "tokens/s" : "samples/s"
        let spread = step.timeS.isSingle ? "" : "p5 \(time(step.timeS.p5)), p95 \(time(step.timeS.p95)), n \(step.timeS.n)"
        let rate = job.training.sequence > 1 ? step.tokensPerS : step.samplesPerS
        let perGPU = job.training.sequence > 1 ? step.tokensPerSPerGPU : step.samplesPerS / Double(max(1, job.cluster.gpus))
        var lines = [
            figure(
                "Step time", time(step.timeS.mean),
                spread.isEmpty ? expectedError : spread, style),
            figure(
                "MFU", percent(step.mfu), "\(peakInWords); causal count \(percent(step.mfuCausal)), HFU \(percent(step.hfu))", style),
            figure("Throughput", "\(counted(rate)) \(unit)", "\(significant(perGPU)) a GPU", style),
            figure(
                "Compute", "\(significant(step.modelTFLOPsPerGPU)) TFLOP/s a GPU",
                "\(significant(step.hardwareTFLOPsPerGPU)) executed, compute busy \(percent(step.utilization))", style),
        ]
        if let mfu16 { lines.insert(figure("", percent(mfu16), "of the 16-bit peak", style), at: 2) }
        return lines.joined(separator: "\n")
    }

    private func figure(_ name: String, _ value: String, _ remark: String, _ style: TextStyle) -> String {
        "  \(padded(name, 12))"
            + style.paint(remark.isEmpty || value.count > 23 ? value + (remark.isEmpty ? "" : "  ") : padded(value, 24), .bold)
            + style.paint(remark, .dim)
    }

    private func breakdown(_ style: TextStyle) -> String {
        let total = Activity.allCases.reduce(0) { $0 + (result.breakdownS[$1] ?? 0) }
        let present = Activity.allCases.filter { (result.breakdownS[$0] ?? 0) > 0 }
        let largest = present.map { result.breakdownS[$0] ?? 0 }.max() ?? 0
        let width = style.width - 47
        var lines = present.map { activity in
            let seconds = result.breakdownS[activity] ?? 0
            return "  \(padded(activity.title, 22)) \(style.paint(bar(seconds / largest, width: width), activity.paint))"
                + " \(rightAligned(time(seconds), 11)) \(rightAligned(percent(total > 0 ? seconds / total : 0), 8))"
        }
        if result.overlappedCommS > 0 {
            lines.append(
                style.paint(
                    "  \(padded("beside computation", 22)) \(padded("communication that costs no time", width)) \(rightAligned(time(result.overlappedCommS), 11))",
                    .dim))
        }
        return ([style.heading("Step time breakdown") + style.paint(" (critical path of the slowest stage)", .dim)] + lines).joined(
            separator: "\n")
    }

    private func memory(_ style: TextStyle) -> String {
        let memory = result.memory
        let width = style.width - 47
        // The bar's scale ends at the capacity, or at the peak where that is larger.
        let scale = [memory.capacity, memory.peak, 1].filter(\.isFinite).max() ?? 1
        let mark = memory.capacity.isFinite ? Int((max(0, memory.capacity) / scale * Double(width)).rounded()) : width
        let lines = foldedStages(memory).map { name, bytes in
            var cells = Array(bar(bytes / scale, width: width))
            for index in cells.indices where cells[index] == " " && index < mark { cells[index] = "·" }
            if mark < width, mark >= 0 { cells[mark] = "│" }
            let share = memory.capacity > 0 ? bytes / memory.capacity : .nan
            return "  \(padded(name, 22)) \(style.paint(String(cells), bytes > memory.capacity ? .red : .blue))"
                + " \(rightAligned(gigabytes(bytes), 11)) \(rightAligned(percent(share, decimals: 0), 8))"
        }
        return
            ([style.heading("Memory per GPU") + style.paint(" (peak of each pipeline stage; capacity \(gigabytes(memory.capacity)))", .dim)]
            + lines)
            .joined(separator: "\n")
    }

    /// Neighbours that need the same (to 0.1 GB) share a line; of more than 16 lines, the 15 fullest stay.
    private func foldedStages(_ memory: MemoryEstimate) -> [(name: String, bytes: Double)] {
        var groups: [(first: Int, last: Int, bytes: Double)] = []
        for (index, stage) in memory.stages.enumerated() {
            if let previous = groups.last, gigabytes(previous.bytes) == gigabytes(stage.total) {
                groups[groups.count - 1] = (previous.first, index, max(previous.bytes, stage.total))
            } else {
                groups.append((index, index, stage.total))
            }
        }
        let kept =
            groups.count <= 16
            ? groups : groups.sorted { ($1.bytes, $0.first) < ($0.bytes, $1.first) }.prefix(15).sorted { $0.first < $1.first }
        var lines = kept.map { (name: $0.first == $0.last ? "stage \($0.first)" : "stages \($0.first)–\($0.last)", bytes: $0.bytes) }
        if kept.count < groups.count {
            let shown = Set(kept.map(\.first))
            let rest = groups.filter { !shown.contains($0.first) }.map(\.bytes).max() ?? 0
            lines.append((name: "all others, at most", bytes: rest))
        }
        return lines
    }

    private func length(_ style: TextStyle) -> String {
        let lost = LossCause.allCases.filter { (run.lostS[$0] ?? 0) > 0 }
        var lines = [
            figure(
                "Training", time(run.wallClockS),
                "\(grouped(run.steps)) steps, \(counted(run.tokens)) \(job.training.sequence > 1 ? "tokens" : "samples")", style),
            figure("GPU time", "\(counted(bill.gpuHours)) GPU-hours", "goodput \(percent(run.goodput))", style),
        ]
        if !lost.isEmpty, outcome == nil {
            lines.append(
                wrapped(
                    lost.map { "\($0.rawValue) \(time(run.lostS[$0] ?? 0))" }.joined(separator: ", "), after: "  Lost to     ",
                    width: style.width, indent: "              "))
        }
        if let outcome { lines += weeks(outcome, style) }
        return ([style.heading("Run")] + lines).joined(separator: "\n")
    }

    private func costs(_ style: TextStyle) -> String {
        let parts = [
            ("compute", bill.computeUSD), ("energy", bill.chargesEnergy ? bill.energyUSD : 0), ("storage", bill.storageUSD),
            ("network", bill.networkUSD),
        ]
        var shown = parts.filter { $0.1 > 0 }.map { "\($0.0) \(dollars($0.1))" }.joined(separator: ", ")
        if !bill.chargesEnergy, bill.energyUSD > 0, bill.totalUSD > 0 { shown += "; energy for \(dollars(bill.energyUSD)) is in the rent" }
        var lines: [String] = []
        if bill.totalUSD > 0 {
            lines.append(figure("Cost", dollars(bill.totalUSD), shown, style))
            if bill.usdPerMillionTokens > 0 {
                lines.append(figure("", "\(significant(bill.usdPerMillionTokens, digits: 3)) USD", "a million tokens", style))
            }
        } else {
            lines.append(figure("Cost", "no price given", "set prices.gpu_hour", style))
        }
        let energy =
            bill.energyKWh >= 1e6
            ? "\(significant(bill.energyKWh / 1e6)) GWh"
            : bill.energyKWh >= 1e3 ? "\(significant(bill.energyKWh / 1e3)) MWh" : "\(significant(bill.energyKWh)) kWh"
        let carbon = bill.carbonKg >= 1000 ? "\(counted(bill.carbonKg / 1000)) t CO2" : "\(significant(bill.carbonKg)) kg CO2"
        if bill.energyKWh > 0 { lines.append(figure("Energy", energy, bill.carbonKg > 0 ? carbon : "", style)) }
        return ([style.heading(job.hasLength || run.steps > 1 ? "Bill" : "Bill of one step")] + lines).joined(separator: "\n")
    }

    private func evidence(_ style: TextStyle) -> String {
        let evidence = result.evidence
        let shares = [("measured", evidence.measured), ("interpolated", evidence.interpolated), ("formula", evidence.formula)]
        return style.heading("Evidence") + "\n  "
            + shares.map { "\(percent($0.1, decimals: 0)) \($0.0)" }.joined(separator: ", ")
            + style.paint(" (shares of the step's time)", .dim)
            + "\n  "
            + (isMeasuredHardware
                ? "step time expected within ± \(percent(evidence.stepTimeError))"
                    + (evidence.interval90.map { "; 90 in 100 runs between \(time($0.first ?? 0)) and \(time($0.last ?? 0))" } ?? "")
                : "no run on \(printable(job.cluster.accelerator.name)) was measured: how far the step time is off is not known")
    }

    private func assumptions(_ style: TextStyle) -> String {
        let shown = result.assumptions.prefix(8).map { assumption in
            let left = "  \(padded(printable(assumption.subject), 22)) \(padded(printable(assumption.value), 28)) "
            return left + style.paint(shortened(printable(assumption.source), style.width - left.count), .dim)
        }
        let rest = result.assumptions.count - shown.count
        return ([style.heading("Assumptions")] + shown + (rest > 0 ? [style.paint("  and \(rest) more in the report", .dim)] : [])).joined(
            separator: "\n")
    }
}

extension Activity {
    var paint: TextStyle.Paint {
        switch self {
        case .forward: .blue
        case .backward, .recompute, .optimizer: .green
        case .tensorComm, .sequenceComm, .contextComm, .expertComm, .pipelineComm, .dataComm, .offloadComm: .yellow
        case .bubble, .stragglerWait, .inputStall: .red
        case .launch, .other: .magenta
        }
    }
}
