/* Everything for one instruction set. Whoever includes this has chosen the set, and says
 *
 *   VECTOR_BYTES  of a register
 *   TILE          rows: times three registers, they hold the sums of a product
 *   LEVEL         what the set is called in C
 */
#include "_product.h"
#include "_gradients.h"
#include "_rows.h"
#include "_samples.h"
#include "_windows.h"

#include "_layer_gradients.h"
#include "_sample_gradients.h"

const Level LEVEL = {product, layer, samples, neighbours, warp, weight_gradient, layer_gradient, samples_gradient};
