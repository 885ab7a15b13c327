import Quantities

extension Scenario {
    /// The fault at the place of its key in the file; where the file does not hold the key, at the section that would.
    public func located(_ fault: Fault) -> ScenarioError {
        let place = tree.map { $0.place(at: fault.keyPath) } ?? .start(of: name)
        let advice = fault.keyPath.isEmpty && fault.suggestion.isEmpty ? "check the sizes in model, training and cluster" : fault.suggestion
        return ScenarioError(
            file: place.file, line: place.line, column: place.column, keyPath: fault.keyPath, reason: fault.reason, suggestion: advice)
    }

    /// Runs `body`; what it finds wrong shows late, and is told at its place in the file.
    /// - Throws: `ScenarioErrors`, whatever `body` throws.
    public func locatingFaults<Value>(_ body: () throws -> Value) throws(ScenarioErrors) -> Value {
        do { return try body() } catch let errors as ScenarioErrors { throw errors } catch let faults as Faults {
            throw ScenarioErrors(faults.all.map(located))
        } catch let fault as Fault { throw ScenarioErrors([located(fault)]) } catch {
            throw ScenarioErrors([located(Fault(reason: "\(error)"))])
        }
    }
}
