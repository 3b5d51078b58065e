/* Everything for one instruction set. Whoever includes this has chosen the set, and says
 *
 *   VECTOR_BYTES  of a register
 *   TILE          rows: times three registers, they hold the sums of a product
 *   LEVEL         what the set is called in C
 */
#include "_product.h"
#include "_rows.h"
#include "_samples.h"
#include "_windows.h"

const Level LEVEL = {product, layer, samples, neighbours, warp};
