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
        let anchoring: Anchoring
        let runs = try MeasuredRuns.read(path: file)
        do throws(CalibrationError) { anchoring = try Anchoring(runs: runs, data: shipped) } catch {
            throw InputError("\(file): \(error.message)")
        }
        output.note(
            "calibration updated by \(anchoring.rows) measured run\(anchoring.rows == 1 ? "" : "s") of \(file): "
                + (anchoring.shifted.isEmpty
                    ? "no constant moved by 1 %"
                    : anchoring.shifted.prefix(6).map(Self.words).joined(separator: ", ")
                        + (anchoring.shifted.count > 6 ? ", and \(anchoring.shifted.count - 6) more by less" : "")))
        for suspect in anchoring.suspects { output.note(suspect) }
        if !anchoring.silent.isEmpty {
            output.note(
                "the runs say nothing about \(anchoring.silent.joined(separator: ", ")): predictions there stay as wide as they were")
        }
        return (
            anchoring.data,
            AnchoredReport(
                rows: anchoring.rows,
                shifted: anchoring.shifted.map { .init(constant: "\($0.constant.key) (\($0.scope))", from: $0.from, to: $0.to) })
        )
    }

    private static func words(_ shift: Anchoring.Shift) -> String {
        "\(shift.constant.key) of \(shift.scope) x\(significant(shift.to / shift.from))"
    }
}
