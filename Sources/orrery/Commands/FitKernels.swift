import Calibration
import Quantities
import Report

extension CalibrateFit {
    /// Fits formulas and tables to measured kernels, writes the profile, prints the held-out errors.
    func fitKernels(_ outputs: Outputs) throws {
        var measurements: [Measurement] = []
        for file in kernels {
            let imported = try PublishedTables.read(path: file)
            if imported.skipped > 0 { printed.note("\(file): \(imported.skipped) rows have no place among the kernels and are left out") }
            measurements += imported.measurements
        }
        guard !measurements.isEmpty else { throw InputError("\(kernels.joined(separator: ", ")): no measurement can be fitted to") }
        let fitted = KernelReport(measurements) { printed.note("fitted \($0)") }
        guard !fitted.scores.isEmpty else {
            throw InputError("\(kernels.joined(separator: ", ")): no kernel can be fitted: \(fitted.remarks.joined(separator: "; "))")
        }
        let table = KernelTable(report: fitted)
        try Console.output(printed.json ? table.json.text() + "\n" : printed.csv ? CSVRecords.text(table.rows) : table.markdown)
        if let output {
            let names = Set(measurements.map(\.source)).sorted().joined(separator: ", ")
            let provenance =
                "fitted by `orrery calibrate fit --kernels` to \(measurements.count) measurements (sources: \(names)); a fifth of the shapes held out for the errors"
            outputs.write(("--output", output), Array(fitted.profile(provenance: provenance).utf8)) {
                printed.note("kernel profile: \(output)")
            }
        }
        try outputs.finish()
    }
}
