import ArgumentParser
import Calibration
import Fidelity
import Plan
import Quantities
import Scenario
import Studies

/// The user's own measured runs, which update the constants.
struct RunsOption: ParsableArguments {
    @Option(
        name: .customLong("runs"),
        help: ArgumentHelp(
            "Your own measured runs (CSV, docs/validation.md): they update the constants of that stack, chip and fabric.", valueName: "file"
        ),
        completion: .file(extensions: ["csv"]))
    var file: String?

    /// The shipped calibration, updated by the runs where there are any; what moved is said on the error output.
    func data(_ output: OutputOptions) throws -> (data: CalibrationData, anchored: AnchoredReport?) {
        let shipped = try CalibrationData.shipped()
        guard let file else { return (shipped, nil) }
        let runs = try MeasuredRuns.read(path: file)
        do throws(CalibrationError) {
            let study = try Study(data: shipped).anchored(by: runs)
            for remark in study.anchored?.remarks ?? [] { output.note("\(file): \(remark)") }
            return (study.data, study.anchored)
        } catch { throw InputError("\(file): \(error.message)") }
    }
}
