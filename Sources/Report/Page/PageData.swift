import Plan
import Quantities
import Simulation
import Studies

extension RunAnswer {
    /// What the page's charts draw.
    /// - Parameter limit: spans of the timeline that are kept.
    public func pageData(limit: Int) -> JSONValue {
        .object([
            ("name", .string(scenario)), ("step_s", .number(result.step.timeS.mean)), ("mfu", .number(result.step.mfu)),
            ("total_usd", .number(bill.totalUSD)), ("fits", .bool(result.memory.fits)),
            (
                "breakdown",
                .array(
                    Activity.allCases.map {
                        .object([("key", .string($0.rawValue)), ("title", .string($0.title)), ("s", .number(result.breakdownS[$0] ?? 0))])
                    })
            ),
            (
                "memory",
                .object([
                    ("capacity", .number(result.memory.capacity)), ("parts", .array(MemoryPart.allCases.map { .string($0.rawValue) })),
                    ("stages", .array(result.memory.stages.map { stage in .array(MemoryPart.allCases.map { .number($0.bytes(stage)) }) })),
                ])
            ), ("histogram", Histogram(result.stepTimesS)?.json ?? .null), ("timeline", TimelineData(result.timeline, limit: limit).json),
            ("links", result.fabric?.chart(step: result.step.timeS.mean) ?? .null),
        ])
    }
}

/// Counts of samples in equal bins from the least to the greatest.
struct Histogram {
    var lower: Double
    var width: Double
    var counts: [Int]

    /// Nil for fewer than two different finite samples. Square-root choice of bins, 8 to 40.
    init?(_ samples: [Double]) {
        let samples = samples.filter(\.isFinite)
        guard let least = samples.min(), let greatest = samples.max(), greatest > least, (greatest - least).isFinite else { return nil }
        let bins = max(8, min(40, Int(Double(samples.count).squareRoot().rounded(.up))))
        lower = least
        width = (greatest - least) / Double(bins)
        guard width > 0 else { return nil }
        counts = Array(repeating: 0, count: bins)
        for sample in samples { counts[max(0, min(bins - 1, Int((sample - least) / width)))] += 1 }
    }

    var json: JSONValue {
        .object([("lower", .number(lower)), ("width", .number(width)), ("counts", .array(counts.map { .integer($0) }))])
    }
}

/// A timeline for a page. A track's spans are runs of four whole numbers: the gap since the end of the span before it and the duration in ns,
/// the index of the colour and of the label; about 15 bytes a span.
struct TimelineData {
    /// A page stays usable up to here, all runs together; of a longer timeline the shortest spans are left out, which the page says.
    static let limit = 400_000
    static func limit(runs: Int) -> Int { limit / max(1, runs) }
    let timeline: [Span]
    let kept: [Bool]?
    let omitted: Int

    init(_ timeline: [Span], limit: Int = limit) {
        self.timeline = timeline
        omitted = max(0, timeline.count - limit)
        guard omitted > 0 else {
            kept = nil
            return
        }
        var kept = Array(repeating: false, count: timeline.count)
        let order = timeline.indices.sorted { (timeline[$1].durationNS, $0) < (timeline[$0].durationNS, $1) }
        for index in order.prefix(limit) { kept[index] = true }
        self.kept = kept
    }

    /// The colour class of a span: its activity, with the gradient of the weights apart where the schedule parts it (label "W...").
    static func colour(of span: Span) -> String {
        span.activity == .backward && span.label.hasPrefix("W") ? "weight" : span.activity.rawValue
    }

    var json: JSONValue {
        guard !timeline.isEmpty else { return .null }
        var labels = Interned()
        var colours = Interned()
        let tracks: [JSONValue] = TimelineTracks(timeline).tracks.map { track in
            var numbers: [JSONValue] = []
            var end: Int64 = 0
            for index in track.spans where kept?[index] ?? true {
                let span = timeline[index]
                let gap = span.startNS &- end
                end = span.startNS &+ span.durationNS
                numbers += [
                    .integer(Int(gap)), .integer(Int(span.durationNS)), .integer(colours.index(of: Self.colour(of: span))),
                    .integer(labels.index(of: span.label)),
                ]
            }
            return .object([("rank", .integer(track.rank)), ("stream", .string(track.stream)), ("spans", .array(numbers))])
        }
        return .object([
            ("tracks", .array(tracks)), ("labels", .array(labels.texts.map { .string($0) })),
            ("colours", .array(colours.texts.map { .string($0) })),
            ("omitted", .integer(omitted)),
        ])
    }
}

/// Texts in order of first use.
private struct Interned {
    var texts: [String] = []
    private var indices: [String: Int] = [:]
    mutating func index(of text: String) -> Int {
        if let index = indices[text] { return index }
        indices[text] = texts.count
        texts.append(text)
        return texts.count - 1
    }
}
