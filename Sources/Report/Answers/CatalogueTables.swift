import Calibration
import Cluster
import Cost
import Lifetime
import Quantities
import Studies
import Workload

/// Parts of what ships with the program: the names that a scenario may use, with their numbers and sources.
public enum CatalogueSection: String, CaseIterable, Sendable {
    case gpus, links, nodes, clusters, models, frameworks, prices, failures, metrics, rules

    /// - Throws: what is wrong with a data file.
    public func table() throws -> TextTable {
        switch self {
        case .gpus: try TextTable(.gpus)
        case .links: try TextTable(.links)
        case .nodes: try TextTable(.nodes)
        case .clusters: try TextTable(.clusters)
        case .models: try .models()
        case .frameworks: try .frameworks()
        case .prices: try .prices()
        case .failures: .failures()
        case .metrics: .metrics()
        case .rules: .rules()
        }
    }

    /// One part as a list, or all of them by name, without a final newline.
    /// - Throws: as `table`.
    public static func json(_ section: CatalogueSection?) throws -> String {
        if let section { return try section.table().json.text() }
        return JSONValue.object(try allCases.map { (key: $0.rawValue, value: try $0.table().json) }).text()
    }
}

extension TextTable {
    init(_ section: CatalogueTable.Section) throws(CatalogueError) {
        let table = try Catalogue.table(section)
        self.init(
            title: section.rawValue, header: Array(table.header.dropLast()), rows: table.rows.map { Array($0.dropLast()) },
            sources: table.rows.map { $0.last ?? "" })
    }

    static func models() throws(WorkloadError) -> TextTable {
        var table = TextTable(
            title: "models",
            header: ["model", "layers", "hidden", "heads", "kv", "ffn", "experts", "vocab", "parameters", "active", "published"],
            rows: [], sources: [])
        for name in Architecture.presetNames {
            let model = try Architecture.preset(name)
            let count = model.parameters
            let isTransformer = model.kind == .transformer
            let shape = [model.layers, model.hidden, model.heads, model.kvHeads, model.ffn].map { isTransformer ? "\($0)" : "-" }
            table.rows.append(
                [name] + shape + [
                    model.moe.map { "\($0.active)/\($0.experts)" } ?? "-", isTransformer ? "\(model.vocab)" : "-",
                    billions(Double(count.total)),
                    billions(Double(count.active)), model.publishedParameters.map(billions) ?? "-",
                ])
            table.sources.append(model.source)
        }
        return table
    }

    static func frameworks() throws(CalibrationError) -> TextTable {
        let profiles = try ProfileTable.shared.get()
        var table = TextTable(title: "frameworks", header: ["framework", "also", "error"], rows: [], sources: [])
        for stack in try StackTable.shared.get().descriptions {
            let error = profiles.residual[stack.name].map { "\(significant($0 * 100, digits: 2)) %" } ?? "not measured"
            table.rows.append([stack.name, stack.also.isEmpty ? "-" : stack.also.joined(separator: ", "), error])
            table.sources.append(stack.why)
        }
        return table
    }

    private static func billions(_ count: Double) -> String {
        count < 1e9 ? "\(significant(count / 1e6, digits: 4)) M" : "\(significant(count / 1e9, digits: 4)) B"
    }

    /// A row a cause of each fleet, behind a row of what the whole run has.
    static func failures() -> TextTable {
        var table = TextTable(
            title: "failures",
            header: ["fleet", "cause", "per", "mtbf", "strikes", "silent", "detect", "repair", "restart", "spares", "lemons", "assumed"],
            rows: [],
            sources: [])
        for preset in FailurePreset.all {
            let restart = preset.restart
            table.rows.append([
                preset.name, "(\(preset.gpus) GPUs, \(significant(preset.days)) days)", "-", hours(preset.publishedRun.mttf), "-", "-", "-",
                "-",
                hours(restart.requeue.mean + restart.initialise.mean + restart.load), preset.spares.map { "\($0)" } ?? "-",
                preset.lemons.map { "\(significant($0.share * 100)) % x \(significant($0.factor))" } ?? "-", preset.assumed,
            ])
            table.sources.append("\(preset.about); \(preset.source)")
            for cause in preset.causes {
                table.rows.append([
                    preset.name, cause.name, cause.per.rawValue, hours(cause.mtbf), "\(cause.strikes)", cause.isSilent ? "yes" : "no",
                    hours(cause.detect.mean), hours(cause.repair.mean), "-", "-", "-", cause.assumed,
                ])
                table.sources.append(cause.source)
            }
        }
        return table
    }

    /// What a monitor follows, and `--metrics` writes.
    static func metrics() -> TextTable {
        TextTable(
            title: "metrics", header: ["metric", "unit", "kind", "of", "meaning"],
            rows: Metric.all.map { ["\(Metric.prefix)\($0.name)", $0.unit, $0.kind.rawValue, $0.scope.rawValue, $0.help] },
            sources: Metric.all.map { _ in "simulated state" })
    }

    /// Rules of thumb that advice tries.
    static func rules() -> TextTable {
        let all = AdviceRule.all
        return TextTable(
            title: "rules", header: ["rule", "text", "fails when", "risk"],
            rows: all.map { [$0.name, $0.rule, $0.failsWhen, $0.risk.rawValue] },
            sources: all.map { _ in "" })
    }

    private static func hours(_ seconds: Double) -> String {
        seconds == 0 ? "0" : seconds < 7200 ? "\(significant(seconds / 60)) min" : "\(significant(seconds / 3600)) h"
    }

    static func prices() throws(Fault) -> TextTable {
        var table = TextTable(
            title: "prices",
            header: ["prices", "date", "gpu", "gpu-hour", "spot", "reserved", "bought", "owned", "electricity", "pue", "carbon"], rows: [],
            sources: [])
        for preset in try PriceBook.presets() {
            let book = preset.book
            table.rows.append([
                preset.name, preset.date.isEmpty ? "-" : preset.date, preset.gpu.isEmpty ? "-" : preset.gpu,
                book.gpuHour.map { "\($0)" } ?? "-", book.spotGPUHour.map { "\($0)" } ?? "-", book.reservedGPUHour.map { "\($0)" } ?? "-",
                book.owned.map { "\($0.price)" } ?? "-", book.owned.flatMap { try? $0.hourly() }.map { "\($0)" } ?? "-",
                book.electricity.map { "\($0)" } ?? "-", significant(book.pue), book.carbon.map { "\($0)" } ?? "-",
            ])
            table.sources.append(book.sources.keys.sorted().map { "\($0): \(book.sources[$0] ?? "")" }.joined(separator: "; "))
        }
        return table
    }
}
