import Lifetime
import Quantities

/// `monitor`, at the top of a file or under `conditions`: what watches the machines of a run.
enum MonitorSection {
    private struct Draft {
        enum Tails: String, CaseIterable { case gaussian, heavy }
        enum Watched { case all, some([String]) }
        var detectors: [MonitorSpec.Detector]?
        var metrics: Watched?
        var period: Duration?
        var falseAlarms: Double?
        var jitter: Double?
        var tails: Tails?
        var reaction: MonitorSpec.Reaction?
    }

    static var entries: [SchemaEntry] { section.entries }

    private static var metrics: Kind<Draft.Watched> {
        let name = Kind<String>("name of a metric", example: "step_time_seconds") { item, reader in
            guard let text = item.scalar("the name of a metric", example: "step_time_seconds", &reader) else { return nil }
            let known = Metric.all.map(\.name)
            let plain = text.hasPrefix(Metric.prefix) ? String(text.dropFirst(Metric.prefix.count)) : text
            if known.contains(plain) { return plain }
            reader.report(item, "\(item.text) is not the name of a metric that is known", suggestion(for: plain, in: known))
            return nil
        }
        let list = Kind<[String]>.list(of: name, atMost: 10_000)
        return Kind("default, or a list of names (orrery catalogue metrics)", example: "default") { item, reader in
            if case .scalar("default", _) = item.tree.content { return .all }
            return list.read(item, &reader).map { .some($0) }
        }
    }

    private static var section: Section<Draft> {
        let detectors = Kind<[MonitorSpec.Detector]>.list(of: .choice, atMost: 4)
        let detectorKind = Kind<[MonitorSpec.Detector]>("default, or \(detectors.name)", example: "[cusum]") { item, reader in
            if case .scalar("default", _) = item.tree.content { return MonitorSpec().detectors }
            return detectors.read(item, &reader)
        }
        return Section([
            Field(
                "detectors", \.detectors, detectorKind, default: "[cusum]",
                "cusum: three cumulative sums; ewma: moving average; distance: one sample's from its peers; change_point: Shiryaev-Roberts"),
            Field("metrics", \.metrics, metrics, default: "default: all", "watched on every GPU"),
            Field("period", \.period, .quantity, default: "1 s", "between two samples"),
            Field(
                "false_alarms_per_day", \.falseAlarms, .ratio(1e-6...1e6, example: "0.2"), default: "0.2",
                "of all streams together, at most"),
            Field(
                "jitter", \.jitter, .ratio(1e-5...1, example: "2%"), default: "2%", "standard deviation of a healthy sample over its mean"),
            Field("tails", \.tails, .choice, default: "gaussian", "of that jitter; heavy: Student's t with five degrees of freedom"),
            Field(
                "on_alarm", \.reaction, .choice, default: "alert",
                "replace: the machine is replaced at once, and a false alarm costs a restart"),
        ])
    }

    /// `none`, `default`, or a mapping.
    static var kind: Kind<MonitorSpec?> {
        let section = section
        return Kind<MonitorSpec?>(
            "none, default, or {detectors, metrics, period, ...}", example: "{period: 1 s}", children: section.entries
        ) {
            item, reader in
            if case .scalar("none", _) = item.tree.content { return .some(nil) }
            if case .scalar("default", _) = item.tree.content { return MonitorSpec() }
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            var spec = MonitorSpec()
            if let period = draft.period {
                guard period.nanoseconds > 0, period.inSeconds <= 3600 else {
                    reader.report(item, "a sample every \(period) is none, or too rare to see anything", "write period: 1 s")
                    return nil
                }
                spec.period = period.inSeconds
            }
            if let detectors = draft.detectors {
                guard !detectors.isEmpty else {
                    reader.report(item, "no detector is named", "write detectors: [cusum]")
                    return nil
                }
                spec.detectors = detectors
            }
            if case .some(let names)? = draft.metrics { spec.metrics = names }
            spec.falseAlarmsPerDay = draft.falseAlarms ?? spec.falseAlarmsPerDay
            spec.jitter = draft.jitter ?? spec.jitter
            spec.tails = draft.tails == .heavy ? .student5 : .gaussian
            spec.reaction = draft.reaction ?? spec.reaction
            return spec
        }
    }
}
