import ArgumentParser
import Quantities
import Report
import Scenario

struct ScenarioKeys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List every key that a scenario may hold: what may be written, what holds without it, what it means.")
    @Argument(help: "Only keys that start so, for instance layout.") var prefix: String?
    @OptionGroup var output: OutputOptions

    func run() throws {
        let entries = Scenario.schema.filter { $0.keyPath.hasPrefix(prefix ?? "") }
        guard !entries.isEmpty else { throw InputError("no scenario key starts with \"\(prefix ?? "")\"; orrery scenario-keys lists all") }
        if output.json {
            try Console.output(SchemaEntry.json(entries) + "\n")
        } else if output.csv {
            let rows = entries.map { [$0.keyPath, $0.type, $0.defaultValue, $0.meaning, $0.example] }
            try Console.output(CSVRecords.text([["key", "type", "default", "meaning", "example"]] + rows))
        } else {
            try Console.output(entries.map(text).joined())
        }
    }

    private func text(_ entry: SchemaEntry) -> String {
        "\(entry.keyPath): \(entry.meaning)\n    \(entry.type); default: \(entry.defaultValue)\n"
    }
}
