import Yams

/// The mapping at the top of a YAML text of the calibration's own.
///
/// Keys are compared as they are written (the basic resolver): resolving each against YAML's patterns took half the start of the program.
/// - Parameter name: what messages call the text.
/// - Throws: `CalibrationError` where the text is no YAML, or no mapping.
func resourceMapping(_ yaml: String, name: String) throws(CalibrationError) -> Node.Mapping {
    let root: Node?
    do { root = try Yams.compose(yaml: yaml, .basic) } catch { throw CalibrationError("\(name): \(error)") }
    guard let mapping = root?.mapping else { throw CalibrationError("\(name): no mapping at the top") }
    return mapping
}
