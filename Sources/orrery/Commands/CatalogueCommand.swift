import ArgumentParser
import Quantities
import Report

struct CatalogueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catalogue", abstract: "List the names that a scenario may use, with their numbers and sources.")

    @Argument(help: "Which part (default: all of it).") var section: CatalogueSection?
    @OptionGroup var output: OutputOptions

    func run() throws {
        if output.json {
            try Console.output(CatalogueSection.json(section) + "\n")
        } else if output.csv {
            guard let section else { throw InputError("catalogue --csv prints one table; name one of \(names)") }
            let table = try section.table()
            try Console.output(CSVRecords.text([table.header + ["source"]] + table.csvRows))
        } else {
            try Console.output((section.map { [$0] } ?? CatalogueSection.allCases).map { try $0.table().text() }.joined(separator: "\n"))
        }
    }

    private var names: String { CatalogueSection.allCases.map(\.rawValue).joined(separator: ", ") }
}

extension CatalogueSection: ExpressibleByArgument {}
